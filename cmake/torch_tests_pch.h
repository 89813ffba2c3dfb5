// What every test with torch parses: torch first, so that CHECK is the tests'.
#include "cmake/torch_pch.h"

#include <catch2/catch.hpp>
