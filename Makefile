# Everything runs in .venv, which the first command makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo example-finetune test test-slow test-jax test-torch lint format bench docs clean

help:
	@echo "make demo              read a licence plate with a converted Caffe network; pictures in out/demo"
	@echo "make example-finetune  train a small network to label shapes; table and pictures in out/shapes"
	@echo "make test              the test suite"
	@echo "make test-slow         the slow tests"
	@echo "make test-jax          layers, models and training with Keras on JAX, without TensorFlow"
	@echo "make test-torch        the same on PyTorch"
	@echo "make lint              ruff and mypy"
	@echo "make docs              the site, to be read in out/site/index.html"
	@echo "make bench             speed against OpenCV, onnxruntime and stock Keras"

# pip before 25.1 does not know dependency groups.
$(STAMP): pyproject.toml
	@echo "Setting up $(VENV): keras-fcn with TensorFlow and the test tools, some minutes the first time."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group test --group lint
	@touch $@

demo: $(STAMP)
	@echo "Converting the Caffe network of keras_fcn/samples and reading plate.png with it."
	$(BIN)/python examples/licence_plate/demo.py --output out/demo

example-finetune: $(STAMP)
	@echo "Drawing shapes and training a network on them, some two minutes."
	$(BIN)/python examples/finetune_shapes.py --output out/shapes

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

# With OpenCV there, which the default suite does without, the tests against it run too.
test-slow: $(STAMP)
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python -m pytest -m slow -n auto --maxprocesses 2 --dist worksteal
	THOROUGH=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 -k "forks or hypothesis"
	$(BIN)/python -m pytest -k opencv
	test -d .opencv5 || $(BIN)/python -m pip install --quiet --no-deps --target .opencv5 \
		"opencv-python-headless>=5,<6"
	KERAS_FCN_OPENCV=.opencv5 $(BIN)/python -m pytest -m slow -k opencv \
		tests/keras_fcn/caffe/onnx tests/keras_fcn/dnn

# What is to be the same on each backend, in environments without TensorFlow.
BACKEND_TESTS := tests/keras_fcn/test_backends.py tests/keras_fcn/builder/test_layer_cases.py \
	tests/keras_fcn/training/test_backends.py tests/keras_fcn/training/test_losses.py \
	tests/keras_fcn/solver tests/keras_fcn/test_reference_nets.py

.venv-jax/.installed .venv-torch/.installed: .venv-%/.installed: pyproject.toml
	@echo "Setting up .venv-$*, some minutes the first time."
	test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-$*/bin/python -m pip install --quiet --group $*
	@touch $@

test-jax test-torch: test-%: .venv-%/.installed
	KERAS_BACKEND=$* PYTHONPATH=. .venv-$*/bin/python -m pytest -n auto --maxprocesses 4 \
		--dist worksteal $(BACKEND_TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python tests/benchmarks/bench_convert.py
	$(BIN)/python tests/benchmarks/bench_models.py
	$(BIN)/python tests/benchmarks/bench_load.py
	$(BIN)/python tests/benchmarks/bench_data.py
	$(BIN)/python tests/benchmarks/bench_solve.py

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict --config-file docs/mkdocs.yml
	@echo "Open out/site/index.html; its search needs a server: python3 -m http.server -d out/site"

clean:
	rm -rf $(VENV) .venv-jax .venv-torch out build dist
