// What every test with torch parses: torch first, so that CHECK is the tests'.
// clang-format off
#include "cmake/torch_pch.h"
#include <catch2/catch.hpp>
// clang-format on
