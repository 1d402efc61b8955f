# make run: everything that is missing is installed, then the guide is served.
# make test: the same, then the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run voice test check bench models audit clean

run: models
	$(BIN)/python -m service serve

voice: models
	$(BIN)/python -m service voice

test: models
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(STAMP)
	$(BIN)/python -m service check

bench: models
	$(BIN)/python -m service bench

# Without a network and without a copy on disk the guide still runs: with keys and touch, and with the
# recorded sentences. Learning the ways of asking takes half a minute after an edit of them. Models that are there are verified by the service itself, which says how to mend
# them. VOICE=light, or too little memory, does without the natural voice's model.
models: $(STAMP)
	@test -d models/vosk-model-small-cn-0.22 -a -d models/kokoro-82m-v1.0-int8 || $(BIN)/python -m service models install || true
	@$(BIN)/python -m service learn

$(STAMP): requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $(STAMP)

# What is known against the versions that are pinned; asks PyPI's advisories, so it needs the network. The rest of
# what can be said of them is in tests/security/test_dependencies.py, without one.
audit: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(VENV)/audit pip-audit==2.10.1
	PYTHONPATH=$(VENV)/audit $(BIN)/python -m pip_audit --requirement requirements.txt --disable-pip --no-deps --strict

clean:
	rm -rf $(VENV) data .pytest_cache
