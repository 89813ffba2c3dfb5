// One line of the catalog's table of architectures.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/kind.h"
#include "models/entries/parts.h"
#include "models/language_model.h"

namespace sublab {

struct ArchitectureEntry : EntryFacts {
  std::string expects = "causal";  ///< or "leaks": published so
  /// Cuts of a row at which steps give what whole rows give: before the token of this ordinal, for
  /// a model of this resolved config. Empty: every cut. The audit excuses the other cuts, and only
  /// those.
  std::function<bool(const json& resolved, int64_t ordinal)> exact_cut;
  /// Checks a model config (the JSON object "model") and returns it with every default written out.
  /// Throws UserError with the JSON path.
  std::function<json(const json& given, const std::string& path, const Parts& parts)> resolve;
  /// Builds the model of a resolved config, fp32 on the CPU; `initial` may be just a seed.
  std::function<std::unique_ptr<LanguageModel>(const json& resolved, int64_t vocab_size,
                                               const Initial& initial, const Parts& parts)>
      make;

  /// The cuts that are exact for one model, its cache policy among what decides; empty where every
  /// cut is.
  std::function<bool(int64_t ordinal)> exact_cut_of(const json& resolved,
                                                    const AttentionTables& tables) const {
    const auto policy = exact_cut_of_policy(resolved, tables);
    if (!exact_cut) return policy;
    return [cut = exact_cut, resolved, policy](int64_t ordinal) {
      return cut(resolved, ordinal) && (!policy || policy(ordinal));
    };
  }
};

/// The settings of a model. A `Config` has fields(); where fields alone do not say what is allowed
/// it also has resolve(path), resolve(path, parts) where it chooses parts, or resolve(path, given,
/// parts) where it matters what was given.
template <class Config>
Config read_model(const json& given, const std::string& path, const Parts& parts) {
  json settings = given;
  settings.erase("architecture");
  Config config;
  if constexpr (requires { refuse_moved_keys(config, settings, path); })
    refuse_moved_keys(config, settings, path);
  read_fields(settings, path, config);
  if constexpr (requires { config.resolve(path, given, parts); })
    config.resolve(path, given, parts);
  else if constexpr (requires { config.resolve(path, parts); })
    config.resolve(path, parts);
  else if constexpr (requires { config.resolve(path); })
    config.resolve(path);
  return config;
}

/// An architecture with settings `Config` whose model is Model(config, vocab_size, initial), or
/// Model(config, vocab_size, initial, parts).
template <class Model, class Config>
ArchitectureEntry architecture_entry(std::string name, std::string summary, std::string source) {
  ArchitectureEntry entry;
  entry.name = name;
  entry.summary = std::move(summary);
  entry.source = std::move(source);
  entry.describe = [] { return describe_fields<Config>(); };
  entry.resolve = [name](const json& given, const std::string& path, const Parts& parts) {
    refuse_missing_parts(name, describe_fields<Config>(), given, path);
    json out = write_fields(read_model<Config>(given, path, parts));
    out["architecture"] = name;
    return out;
  };
  entry.make = [](const json& resolved, int64_t vocab_size, const Initial& initial,
                  const Parts& parts) {
    const auto config = read_model<Config>(resolved, "/model", parts);
    if constexpr (std::is_constructible_v<Model, const Config&, int64_t, const Initial&,
                                          const Parts&>)
      return std::make_unique<Model>(config, vocab_size, initial, parts);
    else
      return std::make_unique<Model>(config, vocab_size, initial);
  };
  return entry;
}

}  // namespace sublab
