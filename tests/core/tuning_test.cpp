// A learning rate chosen by trials, and the grid that widens where its edge is best.
#include "core/schema/tuning.h"

#include <catch2/catch.hpp>

#include "core/schema/study.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

std::string id_of(double rate) { return json(rate).dump(); }

PlannedTrial trial_at(double rate, int64_t widens) {
  PlannedTrial trial;
  trial.id = id_of(rate);
  trial.variant = "a";
  trial.probe = kTuneProbe;
  trial.widens = widens;
  trial.config = {{"train", {{"learning_rate", rate}}}};
  return trial;
}

/// Rates 0.1, 0.2, 0.4 with two further ones on each side, and the main trial.
struct Grid {
  Plan plan;
  std::map<std::string, TrialEnd> ended;

  explicit Grid(int64_t widen = 2) {
    plan.variants = {"a"};
    for (const double rate : {0.1, 0.2, 0.4}) plan.trials.push_back(trial_at(rate, 0));
    for (const auto& [step, rate] : widened_rates({0.1, 0.2, 0.4}, widen))
      plan.trials.push_back(trial_at(rate, step));
    PlannedTrial& main = plan.trials.emplace_back(trial_at(0.1, 0));
    main.id = "main";
    main.probe = "";
  }
  void end(double rate, std::optional<double> loss) { ended[id_of(rate)] = {true, loss}; }
  TrialEnds ends() const {
    return [this](const PlannedTrial& trial) {
      const auto at = ended.find(trial.id);
      return at == ended.end() ? TrialEnd{} : at->second;
    };
  }
  RateChoice choice() const { return choose_rate(plan, "a", ends()); }
  std::set<std::string> idle() const { return not_needed_trials(plan, ends()); }
};

}  // namespace

TEST_CASE("a grid goes on by its own ratio on both sides", "[unit]") {
  const auto all = [](std::vector<double> grid, int64_t n) {
    std::vector<std::pair<int64_t, double>> out;
    for (const auto& [step, rate] : widened_rates(std::move(grid), n)) out.emplace_back(step, rate);
    return out;
  };
  using Rates = std::vector<std::pair<int64_t, double>>;
  CHECK(all({0.006, 0.0015, 0.003}, 2) ==
        Rates{{-1, 0.00075}, {-2, 0.000375}, {1, 0.012}, {2, 0.024}});
  CHECK(all({1e-3, 3e-3}, 1) == Rates{{-1, 0.000333333}, {1, 0.009}});
  CHECK(all({3, 6}, 2) == Rates{{-1, 1.5}, {-2, 0.75}});  // 12 is above the highest
  CHECK(all({1, 2}, 0).empty());
}

TEST_CASE("a rate inside the grid needs nothing further", "[unit]") {
  Grid grid;
  grid.end(0.1, 3.0);
  grid.end(0.2, 2.0);
  CHECK_FALSE(grid.choice().complete);  // the third is still to come
  CHECK(grid.choice().asked_for.empty());
  grid.end(0.4, std::nullopt);  // diverged: tried, and worse than all
  CHECK(grid.choice().complete);
  CHECK(grid.choice().rate == 0.2);
  CHECK_FALSE(grid.choice().at_edge);
  CHECK(grid.idle().size() == 4);
}

TEST_CASE("an edge that is best is followed step by step", "[unit]") {
  Grid grid;
  for (const auto& [rate, loss] : {std::pair{0.1, 3.0}, {0.2, 2.0}, {0.4, 1.0}})
    grid.end(rate, loss);
  CHECK(grid.choice().asked_for == std::set{id_of(0.8)});
  CHECK_FALSE(grid.choice().complete);
  CHECK(grid.idle() == std::set{id_of(0.025), id_of(0.05), id_of(1.6)});
  SECTION("it is inside now") {
    grid.end(0.8, 1.5);
    CHECK(grid.choice().complete);
    CHECK(grid.choice().rate == 0.4);
    CHECK_FALSE(grid.choice().at_edge);
    CHECK(grid.idle() == std::set{id_of(0.025), id_of(0.05), id_of(1.6)});
  }
  SECTION("it goes on to the last one") {
    grid.end(0.8, 0.5);
    CHECK(grid.choice().asked_for == std::set{id_of(0.8), id_of(1.6)});
    CHECK_FALSE(grid.choice().complete);
    grid.end(1.6, 0.25);
    CHECK(grid.choice().complete);
    CHECK(grid.choice().rate == 1.6);
    CHECK(grid.choice().at_edge);
    CHECK(grid.idle() == std::set{id_of(0.025), id_of(0.05)});
  }
  SECTION("a main trial that is done settles what was chosen before grids widened") {
    grid.ended["main"] = {true, 2.5};
    CHECK(grid.idle().size() == 4);
    grid.end(0.8, 0.5);
    CHECK_FALSE(grid.idle().contains(id_of(0.8)));
    CHECK(grid.idle().contains(id_of(1.6)));
  }
}

TEST_CASE("the low edge, a grid that may not widen, and one without any loss", "[unit]") {
  Grid low;
  for (const auto& [rate, loss] : {std::pair{0.1, 1.0}, {0.2, 2.0}, {0.4, 3.0}})
    low.end(rate, loss);
  CHECK(low.choice().asked_for == std::set{id_of(0.05)});
  Grid fixed(0);
  fixed.ended = low.ended;
  CHECK(fixed.choice().complete);
  CHECK(fixed.choice().rate == 0.1);
  CHECK(fixed.choice().at_edge);
  Grid lost;
  for (const double rate : {0.1, 0.2, 0.4}) lost.end(rate, std::nullopt);
  CHECK(lost.choice().complete);
  CHECK_FALSE(lost.choice().rate);
  CHECK(lost.idle().size() == 4);
}

TEST_CASE("how far a grid may widen is read from the study", "[unit]") {
  const auto read = [](const std::string& tune) {
    const TemporaryFolder folder;
    write_file_durably(folder.path / "s.json",
                       R"({"study":"s","variants":{"x":{}},"tune":)" + tune + "}");
    return read_study(folder.path / "s.json", {});
  };
  CHECK(read(R"({"train.learning_rate":[1e-3,2e-3]})").tune.widen == 2);
  CHECK(read(R"({"train.learning_rate":[1e-3,2e-3],"widen":0})").tune.widen == 0);
  CHECK_THROWS_WITH(read(R"({"train.learning_rate":[1e-3,2e-3],"widen":9})"),
                    Contains("/tune/widen: 9 is out of range"));
  CHECK_THROWS_WITH(read(R"({"train.learning_rate":[1e-3,2e-3],"widen":"2"})"),
                    Contains("/tune/widen: expected a whole number"));
  CHECK_THROWS_WITH(read(R"({"widen":2})"), Contains("/tune: lacks train.learning_rate"));
}
