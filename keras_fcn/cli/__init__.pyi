from keras_fcn.cli.commands import COMMANDS as COMMANDS
from keras_fcn.cli.commands import main as main
from keras_fcn.cli.commands import parser as parser
