// Catch's main for the tests without torch.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
