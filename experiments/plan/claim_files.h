// Where claims are kept, and a study's own list of them.
#pragma once

#include <string>

#include "core/schema/claim.h"

namespace sublab {

/// Every file of claims that comes with the program, in order of name.
std::vector<ClaimSet> all_claim_sets();

/// `given` names one of them ("subllm") or is the path of one. Throws UserError at
/// `where` with the nearest name.
ClaimSet find_claim_set(const std::string& given, const std::string& where);

/// A study's "claims", a list of claims and of names of claim files, as a list of claims. Throws
/// UserError with the JSON path.
json resolve_claims(const json& given, const std::string& where);

}  // namespace sublab
