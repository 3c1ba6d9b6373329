"""Images in, answers out: classes, maps, boxes, the content of blobs."""
