// Catch's main for the tests with torch.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
