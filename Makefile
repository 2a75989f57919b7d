# The few commands. Each sets up what it needs; a second run reuses what is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A CPU build of torch where there is no NVIDIA GPU (the default build on Linux pulls gigabytes of CUDA). It comes without
# its dependencies: pip would look for each at torch's index too. They come with postgrad's own.
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
TORCH_INDEX := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo --extra-index-url https://download.pytorch.org/whl/cpu)

# Tests run in so many processes, each on one core; every process needs about 4 GB.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 4 ] && echo 4 || echo $$n)
# The last releases of older lines of OpenAI's SDK, which tests run programs with.
OLDER_SDKS := 1.109.1 2.54.0

.PHONY: demo test check bench conformance parity docs lock sbom setup setup-dev services clean

demo: setup  ## the main job on shipped data and the embedded model
	$(BIN)/postgrad demo

# What fails is run once more, alone: real servers, browsers and kills on a shared machine fail by chance a few times in ten
# thousand. What fails twice fails; what passes then is named, and shown with its first error.
test: setup-dev services  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder || \
		(echo "Once more, what failed:" && OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --last-failed)

check: setup-dev  ## style, types
	$(BIN)/ruff format --check src tests bench docs examples
	$(BIN)/ruff check src tests bench docs examples
	$(BIN)/pyright

bench: setup-dev  ## speed and quality, beside a peer in the same run
	$(BIN)/python bench/training.py
	$(BIN)/python bench/preferences.py
	$(BIN)/python bench/generation.py
	$(BIN)/python bench/serving.py
	$(BIN)/python bench/data.py
	$(BIN)/python bench/whole_run.py

conformance: setup-dev  ## every architecture against its own code; writes the table of docs/models.md
	POSTGRAD_CONFORMANCE=1 $(BIN)/python -m pytest tests/models/test_conformance.py

parity: setup-dev  ## every format in the real engines (compiles llama.cpp once, about ten minutes)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[llama-cpp,mlx,openvino,ctranslate2,onnx]'
	POSTGRAD_PARITY=1 $(BIN)/python -m pytest tests/export

docs: setup-dev  ## the site, from docs/ into build/site; a link that leads nowhere is a fault
	$(BIN)/python docs/check_links.py
	$(BIN)/python docs/build.py

lock: $(VENV)/tools/.installed  ## requirements.lock: what users get, with hashes
	$(VENV)/tools/bin/uv pip compile pyproject.toml -c constraints.txt --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet -o $(VENV)/requirements.lock
	(grep '^#' requirements.lock; cat $(VENV)/requirements.lock) > $(VENV)/with-head && mv $(VENV)/with-head requirements.lock

sbom: setup $(VENV)/tools/.installed  ## sbom.json: a bill of materials (CycloneDX) of what is installed
	$(VENV)/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.json $(BIN)/python

$(VENV)/tools/.installed:
	$(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv<1' 'cyclonedx-bom>=7,<8'
	@touch $@

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

services:  ## PostgreSQL, bubblewrap, Chromium and a C compiler for tests, where they can be installed
	@.ci/services

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "postgrad needs Python 3.11 or newer; set PYTHON=python3.12 or so")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(TORCH) $(TORCH_INDEX)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	for version in $(OLDER_SDKS); do $(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(VENV)/sdks/$$version openai==$$version; done
	@touch $@

clean:
	rm -rf $(VENV) build dist
