// What every test with torch parses: torch first, so that CHECK is the tests'.
#include <catch2/catch.hpp>

#include "cmake/torch_pch.h"
