from keras_fcn.solver.scoring import score_net as score_net
from keras_fcn.solver.solver import Solver as Solver
from keras_fcn.solver.timing import time_net as time_net
