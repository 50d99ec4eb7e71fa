# Everything a fresh machine needs: `make demo` and `make test`. Without a terminal the demo trains to its end by itself.
#
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu     the small CPU build of torch (Linux; the default without an NVIDIA card)
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cu126   for GTX 10xx, V100 and older cards

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA := sample
TORCH := "torch>=2.14,<=2.14.1" "torchvision<=0.29.1"
SOURCES := engine tui tests benchmarks

.PHONY: demo test check fuzz catalogues bench bench-bccd clean

demo: $(VENV)/.installed
	@test -d $(DATA)/VOCdevkit || $(BIN)/freezetui data sample $(DATA)
	@$(BIN)/freezetui weights get yolov4-tiny.weights
	@if [ -t 0 ] && [ -t 1 ]; then \
		$(BIN)/freezetui --data $(DATA) --preset quick-cpu; \
	else \
		$(BIN)/freezetui train --data $(DATA) --preset quick-cpu; \
	fi

# Three workers on two cores, each with one thread: threads that wait for each other are slower than none, and a fifth of the time
# a test waits for another process. Files go in the order of their names, in which those with whole trainings come early; by
# number of tests they would come last, and one worker wait.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

# The readers of everything that comes from outside, with 10,000 random inputs each: hours.
fuzz: $(VENV)/.installed-dev
	FREEZETUI_FUZZ=10000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/fuzz -n 2

# After a text was added or changed: new texts then stand in tui/text/locale/*/LC_MESSAGES/freezetui.po, to be translated.
catalogues: $(VENV)/.installed-dev
	$(BIN)/python -m tui.text.sentences

bench: $(VENV)/.installed-dev
	@for name in first_paint live_screen loader reading optimizer suggestion memory run_list mean_ap checkpoint; do echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

# Hours: both methods on a real data set, three seeds each. make bench-bccd BCCD=FOLDER
bench-bccd: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/bccd.py $(BCCD)

clean:
	rm -rf $(VENV) $(DATA) build dist .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: | $(VENV)/bin/python
ifdef TORCH_INDEX
	$(BIN)/python -m pip install --index-url $(TORCH_INDEX) $(TORCH)
else
	@# Without an NVIDIA card PyTorch's CPU build serves as well and is a tenth of the size; where its index cannot be reached, the
	@# default build is installed.
	@if [ "$$(uname -s)" = Linux ] && ! [ -e /proc/driver/nvidia/version ] && ! command -v nvidia-smi >/dev/null; then \
		echo "No NVIDIA card: trying PyTorch's CPU build."; \
		$(BIN)/python -m pip install -q --timeout 5 --retries 0 --index-url https://download.pytorch.org/whl/cpu $(TORCH) 2>/dev/null \
			|| echo "PyTorch's index cannot be reached; the default build follows."; \
	fi
endif
	@touch $@

# So that the first start is as quick as the second.
COMPILE = $(BIN)/python -m compileall -q engine tui

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	$(BIN)/python -m pip install -e .
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.torch
	$(BIN)/python -m pip install -e '.[dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/.installed
