// What every architecture in the catalog promises, asked by name.
#include <catch2/catch.hpp>

#include "experiments/audit/audit.h"
#include "experiments/kinds.h"
#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

/// A scorer whose scores its gate does not read is trained by nothing but an auxiliary loss.
bool is_trained(const ModelCase& each, const Parameter& parameter) {
  if (parameter.name.find(".scorer.") == std::string::npos || !each.config.contains("gate") ||
      each.config.value("decision", "") == "auxiliary_loss")
    return true;
  return find_entry(tree_catalog().parts.gates, "gate", chosen_type(each.config.at("gate")), "test")
      .reads_scores;
}

/// Whether an entry asks about files of the user's: no example of it runs everywhere.
bool reads_files(const EntryFacts& facts) {
  const auto fields = facts.describe();
  return std::any_of(fields.begin(), fields.end(), [](const FieldHelp& field) {
    return field.name == "folder" || field.name == "path";
  });
}

}  // namespace

TEST_CASE("every entry has examples, and they come to small models", "[contract]") {
  const Catalog& catalog = tree_catalog();
  std::set<std::string> names, covered;
  for (const ModelCase& each : model_cases(catalog)) {
    CHECK(names.insert(each.name).second);
    covered.insert(each.covers.begin(), each.covers.end());
  }
  for (const Kind& kind : kinds_of(catalog))
    for (const Member& member : kind.members) {
      INFO(kind.name << " " << member.facts->name);
      CHECK((reads_files(*member.facts) || !member.facts->examples.empty()));
      CHECK_FALSE(member.facts->source.empty());
      const bool of_a_model = !kind.keys.empty() && kind.keys.front().starts_with("/model/");
      CHECK((!of_a_model || covered.count(kind.name + " " + member.facts->name)));
    }
  CHECK(names.size() > 15);
}

TEST_CASE("shapes, finite gradients for every parameter, same seed same output", "[contract]") {
  for (const ModelCase& subject : model_cases(tree_catalog())) {
    INFO(subject.name);
    const auto model = fitted_model(subject), twin = fitted_model(subject);
    at::manual_seed(1);
    const Batch batch = random_batch({20, 20, 20});
    const Coins coins(1, 0);
    AuxiliaryLosses losses;
    Run run;
    run.mode = Mode::train;
    run.coins = &coins;
    run.losses = &losses;
    const at::Tensor hidden = run_model(*model, batch, nullptr, run);
    const at::Tensor auxiliary = losses.total();
    CHECK(hidden.sizes() == at::IntArrayRef({60, model->head_weight().size(1)}));
    CHECK(run_model(*twin, batch, nullptr, run).equal(hidden));
    at::Tensor loss = lm_loss(hidden, model->head_weight(), batch.tokens, 60);
    if (auxiliary.defined()) loss = loss + auxiliary;
    loss.backward();
    for (const Parameter& parameter : model->parameters()) {
      INFO(parameter.name);
      if (!is_trained(subject, parameter)) continue;
      REQUIRE(parameter.tensor.grad().defined());
      CHECK(parameter.tensor.grad().isfinite().all().item<bool>());
      CHECK(parameter.tensor.grad().abs().sum().item<double>() > 0);
    }
  }
}

TEST_CASE("steps equal whole rows for every cut, decisions forced", "[contract]") {
  at::manual_seed(5);
  for (const ModelCase& subject : model_cases(tree_catalog())) {
    if (subject.entry->expects == "leaks") continue;  // its rows are not what their beginnings are
    for (const auto& [dtype, tolerance] :
         {std::make_pair(at::kFloat, 1e-4), std::make_pair(at::kDouble, 1e-9)}) {
      INFO(subject.name);
      const auto model = fitted_model(subject, dtype);
      const std::vector<int64_t> lengths = {17, 1, 9};
      const Batch batch = random_batch(lengths);
      RecordedKeeps keeps;
      Run whole;
      whole.recorded = &keeps;
      at::NoGradGuard no_grad;
      const at::Tensor expected = run_model(*model, batch, nullptr, whole);
      Run step;
      step.mode = Mode::step;
      if (!model->selection_sites().empty()) step.forced = &keeps;
      const auto exact = subject.entry->exact_cut_of(subject.config, tree_catalog().parts);
      for (int64_t cut = 0; cut <= 17; ++cut) {
        if (exact && cut < 17 && !exact(cut)) continue;  // as declared
        const auto state = model->new_state(3, 2);
        std::vector<int64_t> first, second;
        for (const int64_t length : lengths)
          first.push_back(std::min(cut, length)), second.push_back(length - first.back());
        const auto part = [&](const std::vector<int64_t>& begin, const std::vector<int64_t>& take,
                              const at::Tensor& of) {
          std::vector<at::Tensor> rows;
          for (size_t b = 0; b < 3; ++b)
            rows.push_back(of.slice(0, batch.rows->begin(b) + begin[b],
                                    batch.rows->begin(b) + begin[b] + take[b]));
          return at::cat(rows);
        };
        const std::vector<int64_t> zero = {0, 0, 0};
        const auto run_step = [&](const std::vector<int64_t>& begin,
                                  const std::vector<int64_t>& take) {
          return run_model(
              *model,
              with_token_hints(continue_rows(*state, part(begin, take, batch.tokens), take)),
              state.get(), step);
        };
        const at::Tensor a = run_step(zero, first), b = run_step(first, second);
        CHECK(max_difference(a, part(zero, first, expected)) < tolerance);
        CHECK(max_difference(b, part(first, second, expected)) < tolerance);
        CHECK(state->lengths() == lengths);
      }
    }
  }
}

TEST_CASE("every architecture is what the catalog says of it", "[contract]") {
  for (const ModelCase& subject : model_cases(tree_catalog())) {
    INFO(subject.name);
    AuditSubject asked{[&] { return fitted_model(subject); }, subject.entry->expects,
                       subject.entry->exact_cut_of(subject.config, tree_catalog().parts)};
    asked.length_dependent_beyond = length_dependent_beyond(subject.config, tree_catalog().parts);
    // Not all that borders_of() finds, for time: the context, and a tile behind it.
    asked.borders = {192};
    asked.context_len = 64;
    const auto report = audit_model(asked, AuditSettings::brief());
    CHECK(report.longest_row > 192);
    INFO(report.verdict);
    CHECK(report.as_expected());
  }
}

TEST_CASE("scorers that look at later tokens are refused in evaluation, and leak with top-k",
          "[contract]") {
  size_t n = 0;
  for (const auto& scorer : built_in_catalog().parts.scorers) {
    if (scorer.causal) continue;
    ++n;
    INFO(scorer.name);
    json config = {{"architecture", "subllm"}, {"structure", "T(T)T"}, {"scorer", scorer.name}};
    CHECK_THROWS_WITH(small_model(config), Catch::Contains("looks at later tokens"));
    config["evaluate_selector"] = "top_k";
    const auto report = audit_model({[&] { return fitted(small_model(config)); }}, AuditSettings{});
    CHECK_THAT(report.verdict, Catch::Contains("leaks(position"));
  }
  CHECK(n >= 2);
}

TEST_CASE("a dropped token appends nothing to inner caches", "[contract]") {
  const auto model = small_model({{"architecture", "subllm"},
                                  {"structure", "T(TT)T"},
                                  {"scorer", "stride"},
                                  {"retention", 0.25}});
  const auto state = model->new_state(1, 100);
  Run run;
  run.mode = Mode::step;
  at::NoGradGuard no_grad;
  const int64_t per_token = 2 * 32 * 4;  // keys and values of one layer, fp32
  for (int64_t t = 1; t <= 40; ++t) {
    run_model(*model, continue_rows(*state, at::zeros({1}, at::kLong), {1}), state.get(), run);
    CHECK(state->n_bytes() == per_token * (2 * t + 2 * (t / 4)));
  }
}

TEST_CASE("the ledger counts the matrix multiplications that run", "[contract]") {
  // One block by hand: q, k, v, o, gate, up, down, and the head.
  const auto model =
      small_model({{"architecture", "llama"}, {"n_layers", 1}, {"n_kv_heads", 2}, {"d_ff", 40}});
  Ledger ledger;
  model->add_cost(CostShape::whole_rows(2, 10), ledger);
  const double linear =
      2.0 * 20 * (32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 40) + 2.0 * 20 * 32 * kSmallVocab;
  CHECK(ledger.flops_causal() == Approx(linear + 4.0 * 32 * 2 * 55));
  CHECK(ledger.flops_square() == Approx(linear + 4.0 * 32 * 2 * 100));
}
