// Claims that come with the program, and those of a user.
#include "experiments/plan/claim_files.h"

#include <algorithm>

#include "experiments/machine/environment.h"

namespace sublab {
namespace {

std::vector<fs::path> claim_files() {
  const fs::path folder = shipped_folder("claims");
  if (!fs::is_directory(folder)) throw UserError(folder.string(), "is no folder of claims");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<ClaimSet> all_claim_sets() {
  std::vector<ClaimSet> sets;
  for (const fs::path& file : claim_files()) sets.push_back(read_claims_file(file));
  return sets;
}

ClaimSet find_claim_set(const std::string& given, const std::string& where) {
  if (given.find('/') != std::string::npos || given.ends_with(".json"))
    return read_claims_file(given);
  std::vector<std::string> names;
  for (const fs::path& file : claim_files()) {
    names.push_back(file.stem().string());
    if (names.back() == given) return read_claims_file(file);
  }
  throw_unknown_name(where, "claims", given, names);
}

json resolve_claims(const json& given, const std::string& where) {
  if (!given.is_array()) fields_detail::throw_type(where, "a list", given);
  json out = json::array();
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string at = where + "/" + std::to_string(i);
    if (given[i].is_object()) {
      out.push_back(write_fields(read_claim(given[i], at)));
    } else if (given[i].is_string()) {
      for (const Claim& claim : find_claim_set(given[i], at).claims)
        out.push_back(write_fields(claim));
    } else {
      fields_detail::throw_type(at, "a claim, or the name of a file of claims", given[i]);
    }
  }
  return out;
}

}  // namespace sublab
