"""Images and maps on the disk, a window of them at a time: read, filled, finished."""
