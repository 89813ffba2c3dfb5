// What is interchangeable: the entries of a kind, and how a configuration chooses one of them.
//
//   "scorer": {"type": "learned", "input": "normed"}      "learned" alone is short for {"type":
//   "learned"}
//
// An entry's settings are the fields of its own config type, which stands in the entry's file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// A small configuration of an entry, which tests, the audit, benchmarks and `list` take.
struct Example {
  std::string name;              ///< tells the examples of one entry apart; "" for the usual one
  json config = json::object();  ///< settings that differ from the entry's defaults
};

/// What every entry says of itself, whatever it makes.
struct EntryFacts {
  std::string name;
  std::string summary;
  std::string source;
  int64_t numerics_version = 1;  ///< raised by any change that moves a result; part of trials' ids
  std::function<std::vector<FieldHelp>()> describe;
  std::vector<Example> examples = {Example{}};
};

/// An entry that makes a `Product` of its settings and of what is known where it is made.
template <class Product, class ContextType, class PointerType = std::unique_ptr<Product>>
struct Entry : EntryFacts {
  using Context = ContextType;
  using Pointer = PointerType;
  /// Checks a choice, an object with "type", and returns it with every default written out. Throws
  /// UserError with the JSON path.
  std::function<json(const json& choice, const std::string& path)> resolve;
  std::function<Pointer(const json& resolved, const Context& context)> make;
};

/// For entries that have nothing to set.
struct NoSettings {
  template <class F>
  void fields(F&) {}
};

/// The settings of a choice. Throws UserError; a `Config` may have a check of its own,
/// validate(path).
template <class Config>
Config read_settings(const json& choice, const std::string& path) {
  json settings = choice;
  settings.erase("type");
  Config config;
  read_fields(settings, path, config);
  if constexpr (requires { config.validate(path); }) config.validate(path);
  return config;
}

/// An entry of type `EntryType` with settings `Config` that makes a `Made` of them, or of the
/// context, or of both: whatever its constructor takes.
template <class EntryType, class Config, class Made>
EntryType entry_of(std::string name, std::string summary, std::string source) {
  using Context = typename EntryType::Context;
  EntryType entry;
  entry.name = name;
  entry.summary = std::move(summary);
  entry.source = std::move(source);
  entry.describe = [] { return describe_fields<Config>(); };
  entry.resolve = [name](const json& choice, const std::string& path) {
    json out = write_fields(read_settings<Config>(choice, path));
    out["type"] = name;
    return out;
  };
  entry.make = [](const json& resolved, const Context& context) -> typename EntryType::Pointer {
    const auto config = read_settings<Config>(resolved, "");
    if constexpr (std::is_constructible_v<Made, const Config&, const Context&>)
      return std::make_unique<Made>(config, context);
    else if constexpr (std::is_constructible_v<Made, const Config&>)
      return std::make_unique<Made>(config);
    else if constexpr (std::is_constructible_v<Made, const Context&>)
      return std::make_unique<Made>(context);
    else
      return std::make_unique<Made>();
  };
  return entry;
}

/// A choice as an object: `given` is a name, or an object whose "type" may be left out for
/// `usual`. Throws UserError at `path` for anything else.
json read_choice(const json& given, const std::string& path, const std::string& usual);

/// The name of the entry that a choice, in either form, names; "" where it names none.
std::string chosen_type(const json& choice);

/// The entry of `table` called `name`. Throws UserError at `where` with the nearest name.
template <class EntryType>
const EntryType& find_entry(const std::vector<EntryType>& table, const std::string& kind,
                            const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const EntryType& entry : table) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw_unknown_name(where, kind, name, names);
}

/// The choice in `given` with every default written out.
template <class EntryType>
json resolve_choice(const std::vector<EntryType>& table, const std::string& kind, const json& given,
                    const std::string& path, const std::string& usual) {
  const json choice = read_choice(given, path, usual);
  return find_entry(table, kind, choice.at("type"), path).resolve(choice, path);
}

/// What a choice, in either form, names, made for `context`.
template <class EntryType>
auto make_choice(const std::vector<EntryType>& table, const std::string& kind, const json& choice,
                 const std::string& path, const typename EntryType::Context& context) {
  const json whole = read_choice(choice, path, "");
  return find_entry(table, kind, whole.at("type"), path).make(whole, context);
}

}  // namespace sublab
