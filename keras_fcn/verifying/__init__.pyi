from keras_fcn.verifying.causes import explain as explain
from keras_fcn.verifying.departure import Departure as Departure
from keras_fcn.verifying.dump_script import DUMP_SCRIPT as DUMP_SCRIPT
from keras_fcn.verifying.references import NotComparedError as NotComparedError
from keras_fcn.verifying.report import BlobResult as BlobResult
from keras_fcn.verifying.report import Cause as Cause
from keras_fcn.verifying.report import ParityReport as ParityReport
from keras_fcn.verifying.verifying import verify as verify
