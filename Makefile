# Everything here works from a bare checkout with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
ROLE ?= operator
FORMAT ?= text
SECONDS ?= 120

.DEFAULT_GOAL := help
.PHONY: backup restore
.PHONY: help install run test chaos lint demo token evaluate train bench soak schemas pictures dashboards report screenshots up down

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hotline needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

install: $(INSTALLED) ## make the virtual environment from the lock file

run: $(INSTALLED) ## start the three services here, until Ctrl-C
	@exec $(PY) -m deploy.run

test: $(INSTALLED) ## run all tests; those on Kafka where Java 17 and Maven are found
	$(PY) -m pytest -q --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

chaos: $(INSTALLED) ## break one thing after the other under load, and count: [ROUNDS=100]
	@$(PY) -m tests.chaos $(ROUNDS)

lint: $(INSTALLED) ## style, types and import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

demo: $(INSTALLED) ## send sample tickets and show where each went and why
	@$(PY) -m deploy.demo

token: $(INSTALLED) ## print a token: ROLE=operator|unit|dispatcher|supervisor|system [UNIT=slug] [NAME=…]
	@$(PY) -m deploy.token "$(ROLE)" $(if $(UNIT),--unit "$(UNIT)") $(if $(NAME),--name "$(NAME)")

evaluate: $(INSTALLED) ## judge the classifier: DATA=file.csv [FORMAT=json]
	@$(PY) -m services.classifier.evaluate --data "$(DATA)" --format "$(FORMAT)"

train: $(INSTALLED) ## train from the corpus [and DATA="history.csv corrections.csv"]
	@$(PY) -m services.classifier.train $(foreach file,$(DATA),--data "$(file)")

bench: $(INSTALLED) ## measure throughput, latency and cost, at most five minutes: [BASE=bench.json]
	@$(PY) -m deploy.load.bench $(if $(BASE),--base "$(BASE)")

soak: $(INSTALLED) ## does the disk stay flat, and what does a ticket leave for good: [SECONDS=120]
	@$(PY) -m deploy.load.soak --seconds "$(SECONDS)"

schemas: $(INSTALLED) ## write the events' JSON Schemas and AsyncAPI document to deploy/events
	@$(PY) -m deploy.events.generate

pictures: $(INSTALLED) ## draw the state machines into the router's README
	@$(PY) -m services.router.pictures

dashboards: $(INSTALLED) ## write Grafana's dashboards, and show what each panel says of a generated district
	@$(PY) -m deploy.grafana
	@$(PY) -m pytest -q -s -p no:xdist tests/deploy/test_dashboards.py

report: $(INSTALLED) ## the month's figures: MONTH=2026-11 [FORMAT=text|csv|xlsx OUT=file]
	@$(PY) -m deploy.figures --month "$(MONTH)" --format "$(FORMAT)" $(if $(OUT),--out "$(OUT)")

screenshots: $(INSTALLED) ## a picture of every page, wide and narrow: [OUT=var/screenshots]
	mkdir -p $(or $(OUT),var/screenshots)
	HOTLINE_SCREENSHOTS=$(or $(OUT),var/screenshots) $(VENV)/bin/python -m pytest -q tests/desk/test_pages.py -k sideways

up: ## start everything in containers: secrets are made once in deploy/secrets (HOTLINE_NAME=host)
	@$(PYTHON) deploy/first_secrets.py
	docker compose --file deploy/compose.yaml up --build --detach --wait

down: ## stop the containers; their data stay
	docker compose --file deploy/compose.yaml down

backup: $(INSTALLED) ## copy the embedded server while it runs: TO=folder KEYS=another folder
	@$(PY) -m deploy.backup save "$(TO)" --keys "$(KEYS)"
	@$(PY) -m deploy.backup verify "$(TO)" --keys "$(KEYS)"

restore: $(INSTALLED) ## fill an empty HOTLINE_HOME: FROM=folder KEYS=another folder
	@$(PY) -m deploy.backup restore "$(FROM)" --keys "$(KEYS)"
