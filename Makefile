# `make` lists what there is. Everything runs in .venv/, which `make setup` makes and keeps up to date.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types contract check clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

setup: ## make .venv and install what is missing (done by the others too)
	@scripts/setup

demo: setup ## the main job on the built-in face model; leaves demo/report.html
	.venv/bin/dcign run demo -o demo

test: setup ## all tests
	@.venv/bin/python scripts/test

lint: setup ## ruff: rules and format
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup ## mypy
	.venv/bin/mypy

contract: setup ## imports point downward; render without torch, training without OpenGL
	.venv/bin/lint-imports

check: test lint types contract ## everything that CI runs

clean: ## remove caches and build output; keeps .venv and everything rendered or trained
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find assets render dcign pipelines tests -name __pycache__ -prune -exec rm -rf {} +
