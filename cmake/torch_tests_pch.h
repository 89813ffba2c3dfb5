// What every test with torch parses.
#include <catch2/catch.hpp>

#include "cmake/torch_pch.h"
