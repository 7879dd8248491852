# `make run` opens the app, `make test` runs everything; both set up .venv first.
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
# Each training starts torch in a process of its own: from compiled files, in half the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run present test soak fuzz lint docs site lock bench kernel setup

SITE ?= site
VIEW ?= map
MODEL ?= digits

run: .venv/app
	LATENT_MODE=single-user $(BIN)/uvicorn app:app --host 127.0.0.1 --port $(PORT)

# For a room: the terminal prints the presenter's link and the room's.
present: .venv/app
	$(BIN)/python -c "import sys; from vae.launcher import main; sys.exit(main())" \
		--present --port $(PORT)

test: .venv/dev
	$(BIN)/python -m pytest -q -rs -n 4 --dist loadfile --no-loadscope-reorder

# What is long by nature, whole, and two hours of exploring; figures go into benchmarks/results.md.
soak: .venv/dev
	$(BIN)/python benchmarks/soak.py
	$(BIN)/python benchmarks/exploring.py --record

# Reads damaged files of every kind for so many seconds, then texts and messages.
FUZZ_SECONDS ?= 3600
fuzz: .venv/dev
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python benchmarks/fuzz.py
	FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest -q tests/test_fuzz.py

lint: .venv/dev node_modules/.package-lock.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm run --silent lint

node_modules/.package-lock.json: package.json
	npm install --silent --no-audit --no-fund --no-package-lock

bench: .venv/dev
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/training.py

kernel: .venv/dev
	$(BIN)/python pages/ui/decoder/build.py

setup: .venv/dev

# Versions and hashes for every platform and Python; to be run when a requirements file changes.
lock: .venv/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --output-file requirements.lock \
		requirements.txt requirements-dev.txt requirements-docs.txt requirements-examples.txt \
		requirements-hdf5.txt requirements-onnx.txt

# uv installs in seconds what pip takes minutes for; the machine's own is used if it has one.
.venv/uv:
	$(PYTHON) -c "import sys; sys.exit('Python %d.%d found; 3.11 or newer is needed: make PYTHON=python3.12' % sys.version_info[:2] if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	touch $@

INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock

.venv/app: .venv/uv requirements.txt requirements-onnx.txt requirements.lock
	$(INSTALL) -r requirements.txt -r requirements-onnx.txt
	touch $@

.venv/dev: .venv/app requirements-dev.txt requirements-examples.txt pyproject.toml hatch_build.py
	$(INSTALL) -r requirements-dev.txt -r requirements-examples.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

# A page's live part as files that need no server: make site VIEW=path MODEL=faces SITE=folder
site: .venv/app
	$(BIN)/python -m pages.ui.site $(SITE) --view $(VIEW) --model $(MODEL) --link '$(LINK)'

# In an environment of its own, for it needs nothing of the app; the live map in it is the app's.
docs: .venv/app requirements-docs.txt requirements.lock mkdocs.yml
	$(BIN)/uv venv --quiet --allow-existing .venv/docs
	$(BIN)/uv pip install --quiet --python .venv/docs --constraint requirements.lock -r requirements-docs.txt
	NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --strict --quiet
	$(BIN)/python -m pages.ui.site build/docs/live --view map --model digits
