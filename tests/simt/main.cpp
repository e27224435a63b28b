// The tests of the SIMT emulator.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
