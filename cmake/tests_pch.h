// What every test without torch parses.
#include <catch2/catch.hpp>

#include "cmake/plain_pch.h"
