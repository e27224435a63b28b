# Short names for the usual things; the work is done by CMake.
BUILD ?= build
JOBS ?= $(shell nproc)
ARGS ?=
DEVICE ?= cuda
PARTS ?=
HEADERS ?=

help:
	@echo "make mnist        train a small diffusion model on handwritten digits and draw some"
	@echo "                  (make mnist ARGS=--help lists what can be chosen)"
	@echo "make butterflies  the same with butterflies, in colour; a quarter of an hour on two processors"
	@echo "make imago        the command build/imago: train on your own pictures, draw, look into models"
	@echo "make test         build and run every test"
	@echo "make bench        build and run the benchmarks"
	@echo "make gpu-report   build, test and measure everything on a GPU: bench/results/<gpu>/report.md, in 9 minutes"
	@echo "                  (DEVICE=cpu or simt, PARTS=build,test,profile,step,kernels, HEADERS=folder, ARGS=--help)"
	@echo "make clean        remove $(BUILD)/"

mnist: configure
	@cmake --build $(BUILD) --target mnist -j $(JOBS)
	@$(BUILD)/mnist $(ARGS)

butterflies: configure
	@cmake --build $(BUILD) --target butterflies -j $(JOBS)
	@$(BUILD)/butterflies $(ARGS)

imago: configure
	@cmake --build $(BUILD) --target imago_command -j $(JOBS)
	@$(BUILD)/imago $(ARGS)

test: configure
	cmake --build $(BUILD) -j $(JOBS)
	ctest --test-dir $(BUILD) -j $(JOBS) --timeout 3600 --output-on-failure --no-tests=error

bench: configure
	cmake --build $(BUILD) -j $(JOBS)
	@for program in $(BUILD)/bench/bench_*; do echo "$$program"; $$program $(ARGS) || exit 1; done

# Needs no package registry: headers may come from a folder that scripts/collect_headers.sh has filled elsewhere.
gpu-report:
	@python3 bench/report --device $(DEVICE) $(if $(PARTS),--parts $(PARTS)) $(if $(HEADERS),--headers $(HEADERS)) $(ARGS)

# Says nothing when nothing is missing and the build is configured already. What a first attempt that failed left
# behind is thrown away; whether there is a ninja is asked after setup.sh, which may install it.
configure:
	@scripts/setup.sh
	@test -f $(BUILD)/build.ninja || test -f $(BUILD)/Makefile || { \
	  rm -rf $(BUILD)/CMakeCache.txt $(BUILD)/CMakeFiles; \
	  cmake -S . -B $(BUILD) $$(command -v ninja >/dev/null && echo -G Ninja) -DCMAKE_BUILD_TYPE=Release; }

clean:
	rm -rf $(BUILD)

.PHONY: help mnist butterflies imago test bench gpu-report configure clean
