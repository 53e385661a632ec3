# `make` explains itself. Nothing here needs root, and everything stays in this folder.
.DEFAULT_GOAL := help
.PHONY: help run test lint fuzz canary bench docs reference facts lock clean environment tools

BIN := .venv/bin
PYTHON := python=$$(scripts/interpreter) && "$$python"

help: ## this list
	@printf '\n  \033[1mOssicle\033[0m  any client, over any wire, to any speech engine\n\n'
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) \
	  | while IFS='|' read -r name text; do printf '  \033[36mmake %-9s\033[0m %s\n' "$$name" "$$text"; done
	@printf '\n'

run: environment ## start the gateway and stream human speech through it (ONCE=1: stop after the clip)
	@clips=$$($(BIN)/python scripts/clips.py) && OSSICLE_CLIPS="$$clips" exec $(BIN)/ossicle demo

test: ## set up what the tests need, then run every ring
	@$(PYTHON) scripts/rings.py

lint: tools ## the linter, the formatter and the type checker
	@$(PYTHON) scripts/rings.py --only lint

fuzz: tools ## random bytes against every parser
	@$(PYTHON) scripts/rings.py --only fuzz

canary: tools ## the newest SDKs of every vendor, unpinned, against this gateway
	@$(BIN)/python scripts/canary.py

bench: tools ## measure, and write the results page
	@$(BIN)/python -m bench

docs: tools ## build the documentation as a site, strictly, into build/site
	@$(BIN)/python scripts/website.py

reference: tools ## make the reference pages from the code
	@$(BIN)/python scripts/reference.py

facts: tools ## browser support, from the pinned npm package of MDN's data
	@$(BIN)/python scripts/clients.py && $(BIN)/python scripts/facts.py && $(BIN)/python scripts/reference.py

lock: tools ## pin the newest versions that fit, with their hashes
	@scripts/lock

clean: ## remove what was made here: the environment and the caches
	@rm -rf .venv .venv-older tests/interop/js/node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) scripts/environment.py

tools:
	@$(PYTHON) scripts/environment.py --dev
