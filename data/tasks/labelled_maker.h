// The row maker of a class of labelled rows and its settings.
#pragma once

#include <memory>
#include <string>

#include "data/tasks/labelled_rows.h"

namespace sublab {

/// Tokens that a row must have at least.
template <class Settings, class Rows>
int64_t least_length(const Settings& settings) {
  if constexpr (requires { settings.n_data; })
    return 2 * settings.n_data;
  else
    return Rows::kLeastLength;
}

template <class Settings>
Settings read_row_settings(json given, const std::string& path) {
  given.erase("task");
  Settings settings;
  read_fields(given, path, settings);
  return settings;
}

/// Throws UserError at `path` where `length` tokens, which `what` names, are too few for a row.
template <class Settings, class Rows>
void check_row_length(const Settings& settings, int64_t length, const std::string& what,
                      const std::string& path) {
  const int64_t least = least_length<Settings, Rows>(settings);
  if (length < least)
    throw UserError(path, what + " " + std::to_string(length) +
                              " is too short for what is asked; " + "that takes " +
                              std::to_string(least));
}

template <class Settings, class Rows>
RowMaker labelled_rows_maker(const std::string& name, const std::string& summary,
                             const std::string& source) {
  RowMaker maker;
  maker.name = name;
  maker.summary = summary;
  maker.source = source;
  maker.gives_hints = true;
  maker.describe = [] { return describe_fields<Settings>(); };
  maker.resolve = [name](const json& given, const std::string& path, int64_t context_len) {
    const auto settings = read_row_settings<Settings>(given, path);
    check_row_length<Settings, Rows>(settings, context_len, "data.context_len", path);
    json out = write_fields(settings);
    out["task"] = name;
    return out;
  };
  maker.rows = [name](const json& resolved, int64_t context_len, uint64_t seed) {
    return std::make_unique<Rows>(read_row_settings<Settings>(resolved, "/data/train_on"),
                                  context_len, seed, name + "/train");
  };
  return maker;
}

}  // namespace sublab
