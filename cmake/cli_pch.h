// What every command parses: torch, and the parser of its options.
#include <CLI/CLI.hpp>

#include "cmake/torch_pch.h"
