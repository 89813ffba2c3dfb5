// What includes what: one way between top-level folders, no cycle of files or of folders, and no
// heavy header where it is not needed.
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include "tests/tidy/sources.h"

using namespace sublab;
using namespace sublab::tidy;

namespace {

using Graph = std::map<std::string, std::set<std::string>>;

/// "x/y" for x/y.h and x/y.cpp: a header and its source are one node.
std::string node_of(const fs::path& path) { return path.parent_path() / path.stem(); }

/// Nodes and what they include; `node` makes a node of a path.
Graph includes(const std::function<std::string(const fs::path&)>& node) {
  static const std::regex include(R"re(^#include "([a-z_]+/[^"]+)"$)re");
  Graph graph;
  for (const Source& source : sources()) {
    auto& out = graph[node(source.path)];
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_match(line, match, include)) continue;
      if (const std::string to = node(match[1].str()); to != node(source.path)) out.insert(to);
    }
  }
  return graph;
}

/// A cycle as "a -> b -> a", or "".
std::string find_cycle(const Graph& graph) {
  std::map<std::string, int> state;  // 1 = on the path, 2 = done
  std::vector<std::string> path;
  std::string found;
  const std::function<void(const std::string&)> visit = [&](const std::string& at) {
    state[at] = 1;
    path.push_back(at);
    if (const auto edges = graph.find(at); edges != graph.end())
      for (const std::string& to : edges->second) {
        if (!found.empty()) return;
        if (state[to] == 0) visit(to);
        if (state[to] != 1 || !found.empty()) continue;
        for (auto i = std::find(path.begin(), path.end(), to); i != path.end(); ++i)
          found += *i + " -> ";
        found += to;
        return;
      }
    state[at] = 2;
    path.pop_back();
  };
  for (const auto& [at, edges] : graph)
    if (state[at] == 0 && found.empty()) visit(at);
  return found;
}

}  // namespace

TEST_CASE("no files include each other in a circle", "[tidy]") {
  const Graph graph = includes(node_of);
  CHECK(graph.size() > 150);
  CHECK(find_cycle(graph) == "");
  CHECK(find_cycle({{"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}}) == "a -> b -> c -> a");
}

TEST_CASE("no folders include each other in a circle", "[tidy]") {
  const Graph graph = includes([](const fs::path& path) { return path.parent_path().string(); });
  CHECK(graph.size() > 30);
  CHECK(find_cycle(graph) == "");
}

TEST_CASE("every source file says in its first line what it is", "[tidy]") {
  for (const Source& source : sources()) {
    INFO(source.path.string());
    CHECK((!source.lines.empty() && source.lines[0].starts_with("// ")));
  }
}

TEST_CASE("heavy headers stay where they are needed", "[tidy]") {
  // Each is seconds per file that sees it: what may be included by whose headers.
  const std::vector<std::pair<std::string, std::set<std::string>>> heavy = {
      {"#include <CLI/", {"experiments/cli"}},
      {"#include <torch/torch.h>", {}},
      {"#include <torch/nn", {}},
      {"#include <torch/csrc/autograd", {}},
      {"#include <regex>", {}},
      {"#include <Eigen/", {}},
      {"#include <nlohmann/", {"core"}}};
  for (const Source& source : sources()) {
    if (source.path.extension() != ".h" || *source.path.begin() == "tests") continue;
    for (const std::string& line : source.lines)
      for (const auto& [start, folders] : heavy) {
        INFO(source.path.string() << ": " << line);
        CHECK((!line.starts_with(start) || folders.contains(source.path.parent_path().string())));
      }
  }
}

TEST_CASE("includes point one way", "[tidy]") {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"core", {}},
      {"data", {"core"}},
      {"models", {"core", "data"}},
      {"baselines", {"core", "data", "models"}},
      {"analysis", {"core"}},
      {"experiments", {"core", "data", "models", "baselines", "analysis"}},
      {"bench", {"core", "data", "models", "baselines", "analysis", "experiments"}},
      {"tests", {"core", "data", "models", "baselines", "analysis", "experiments"}}};
  static const std::regex include(R"re(^#include "(([a-z_]+)/[^"]+)"$)re");
  size_t n = 0;
  for (const Source& source : sources()) {
    const std::string from = source.path.begin()->string();
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_match(line, match, include)) continue;
      ++n;
      INFO(source.path.string() << ": " << line);
      CHECK(fs::exists(kRoot / match[1].str()));
      CHECK((match[2] == from || allowed.at(from).contains(match[2])));
    }
  }
  CHECK(n > 200);
}

TEST_CASE("analysis and core know no torch", "[tidy]") {
  for (const Source& source : sources()) {
    const std::string folder = source.path.begin()->string();
    if (folder != "core" && folder != "analysis" && folder != "data") continue;
    for (const std::string& line : source.lines) {
      INFO(source.path.string() << ": " << line);
      CHECK_FALSE((line.starts_with("#include <ATen") || line.starts_with("#include <torch") ||
                   line.starts_with("#include <c10")));
    }
  }
}
