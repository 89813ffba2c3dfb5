// Studies, sweeps and their mistakes.
#include "core/schema/study.h"

#include <catch2/catch.hpp>

#include "core/schema/record.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

Study study_of(const std::string& text) {
  const TemporaryFolder folder;
  write_file_durably(folder.path / "s.json", text);
  return read_study(folder.path / "s.json", {});
}

std::string error_of(const std::string& text) {
  try {
    study_of(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a study keeps the order of its variants and expands sweeps", "[unit]") {
  const Study study = study_of(R"({ "study": "s", "base": {}, // comment
    "variants": { "z": {}, "a": { "model.architecture": "subllm" } },
    "sweep": { "a": { "model.retention": [0.8, 0.5] } }, "seeds": [1, 2], "compare_to": "z" })");
  REQUIRE(study.variants.size() == 3);
  CHECK(study.variants[0].name == "z");
  CHECK(study.variants[1].name == "a/retention=0.8");
  CHECK(study.variants[2].changes.back().second == json(0.5));
}

TEST_CASE("margins of equivalence are above 0 and need something to compare", "[unit]") {
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{},"y":{}},"equivalence_margin":0})"),
             Contains("/equivalence_margin: ") && Contains("(0, 100]"));
  CHECK_THAT(
      error_of(R"({"study":"s","variants":{"x":{},"y":{}},"equivalence_margin_accuracy":2})"),
      Contains("/equivalence_margin_accuracy: "));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"equivalence_margin":0.01})"),
             Contains("/equivalence_margin: has no effect"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"equivalence_margins":0.01})"),
             Contains("did you mean 'equivalence_margin'?"));
}

TEST_CASE("each mistake in a study is one line with its place", "[unit]") {
  CHECK_THAT(error_of("nonsense"), Contains("s.json: is not valid JSON at line 1"));
  CHECK_THAT(error_of("[]"), Contains("expected an object"));
  CHECK_THAT(error_of(R"({"study":"s","varaints":{}})"),
             Contains("unknown key 'varaints'; did you mean 'variants'?"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{}})"), Contains("/variants: is empty"));
  CHECK_THAT(error_of(R"({"study":"a b","variants":{"x":{}}})"), Contains("is not a name"));
  CHECK_THAT(error_of(R"({"study":"../x","variants":{"x":{}}})"), Contains("is not a name"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{"modle.d":1}}})"),
             Contains("did you mean 'model'?"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"compare_to":"y"})"),
             Contains("/compare_to: unknown variant 'y'"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"seeds":[]})"),
             Contains("/seeds: is empty"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"seeds":[1,1]})"),
             Contains("/seeds: names a seed twice"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"base":{"measure":{
                 "modes":["prefill"],"memory_budget_bytes":5}}})"),
             Contains("/memory_budget_bytes: has no effect without"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"seeds":"1"})"),
             Contains("/seeds: expected a list"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"sweep":{"q":{}}})"),
             Contains("/sweep: unknown variant 'q'"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"sweep":{"x":{"model.d_model":4}}})"),
             Contains("expected a list of values"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"base":{"modle":{}}})"),
             Contains("/base: unknown key 'modle'"));
  CHECK_THAT(
      error_of(R"({"study":"s","variants":{"x":{}},"base":{"measure":{"modes":["trian"]}}})"),
      Contains("did you mean 'train'?"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"probes":{"r":{"variants":{"q":{}}}}})"),
             Contains("unknown variant 'q'"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"probes":{"r":{"variants":{}}}})"),
             Contains("is empty"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{}},"tune":{"model.d_model":[1,2]}})"),
             Contains("tunes train.learning_rate"));
  const auto error_with = [](const std::string& more) {
    return error_of(R"({"study":"s","variants":{"x":{},"y":{},"z":{}},)" + more + "}");
  };
  CHECK_THAT(error_with(R"("comparisons":[["x","y"],["y","x"]])"),
             Contains("/comparisons/1: names the pair x, y a second time"));
  CHECK_THAT(error_with(R"("scaling":{"k":["x","y","y"],"l":["y","z","y"]})"),
             Contains("/scaling/k/2: names y a second time"));
  CHECK_THAT(error_with(R"("match":[{}])"), Contains("/match/0: lacks 'by'"));
  CHECK_THAT(error_with(R"("match":[{"by":"train_seconds","variants":["x"]}])"),
             Contains("/match/0/variants: must name two or more variants"));
  CHECK_THAT(error_with(R"("match":[{"by":"peak_memory","variants":["x","q"]}])"),
             Contains("/match/0/variants/1: unknown variant 'q'"));
  const auto modelled = [&](const std::string& measure) {
    return error_with(R"("base":{"measure":{"context":[8,16],)" + measure + "}}");
  };
  CHECK_THAT(modelled(R"("modelled_context":[99],"modes":["train"])"), Contains("has no effect"));
  CHECK_THAT(modelled(R"("modelled_context":[99],"batch":[2])"), Contains("/base/measure/batch"));
  CHECK_THAT(modelled(R"("modelled_context":[99,16])"),
             Contains("/modelled_context/1: 16 is measured already"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{},"x":{}}})"),
             Contains("the key 'x' stands twice"));
}

TEST_CASE("an object as a change stands for the keys in it, everywhere", "[unit]") {
  const auto with = [](const std::string& change, const std::string& swept,
                       const std::string& tuned) {
    return study_of(R"({"study":"s","variants":{"x":{},"y":)" + change + R"(},
        "sweep":{"x":)" +
                    swept + R"(},"compare_to":"y",
        "tune":)" + tuned +
                    R"(,"probes":{"p":{"set":)" + change + R"(,"variants":{"y":)" + change +
                    "}}}}");
  };
  const Study nested = with(
      R"({"model":{"n_layers":1,"rope":{"factor":2}}})", R"({"model":{"retention":[0.8,0.5]}})",
      R"({"train":{"learning_rate":[1e-3,2e-3]},"set":{"train":{"tokens":5}}})");
  const Study dotted =
      with(R"({"model.n_layers":1,"model.rope":{"factor":2}})", R"({"model.retention":[0.8,0.5]})",
           R"({"train.learning_rate":[1e-3,2e-3],"set":{"train.tokens":5}})");
  REQUIRE(nested.variants.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(nested.variants[i].name == dotted.variants[i].name);
    CHECK(nested.variants[i].changes == dotted.variants[i].changes);
  }
  CHECK(nested.tune.key == "train.learning_rate");
  CHECK(nested.tune.set == dotted.tune.set);
  CHECK(nested.probes[0].set == dotted.probes[0].set);
  CHECK(nested.probes[0].variants[0].changes == dotted.probes[0].variants[0].changes);
  const Study objects = study_of(R"({"study":"s","variants":{"x":{}},"sweep":{"x":{"model":[
      {"d_model":8,"n_heads":2},{"d_model":16,"n_heads":4}]}}})");
  CHECK(objects.variants[1].name == "x/d_model=16,n_heads=4");
  CHECK(objects.variants[1].changes.size() == 2);
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{"model":{}}}})"),
             Contains("/variants/x/model: is empty, so it changes nothing"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{"model":{"d":1},"model.d":2}}})"),
             Contains("changes model.d a second time"));
  CHECK_THAT(error_of(R"({"study":"s","variants":{"x":{"lr":1}}})"),
             Contains("did you mean 'train.learning_rate'?"));
}

TEST_CASE("names and values that would be mixed up later are refused by place", "[unit]") {
  const auto named = [](const std::string& study, const std::string& variant) {
    return error_of(R"({"study":")" + study + R"(","variants":{")" + variant + R"(":{}}})");
  };
  for (const char* name : {"..", ".", "", "-x", ".x", "a/b", "/", "a\\n", "a b", "\\u0001"}) {
    INFO(name);
    CHECK_THAT(named(name, "x"), Contains("/study: ") && Contains("is not a name"));
    CHECK_THAT(named("s", name), Contains("/variants: ") && Contains("is not a name"));
  }
  CHECK_THAT(named(std::string(81, 'a'), "x"), Contains("is not a name"));
  CHECK(named("s", "x..y-").empty());
  CHECK_THAT(named("s", "all"), Contains("/variants: 'all' is taken"));
  const auto with = [](const std::string& more) {
    return error_of(R"({"study":"s","variants":{"x":{}},)" + more + "}");
  };
  CHECK_THAT(with(R"("probes":{"tune":{"variants":{"x":{}}}})"), Contains("/probes/tune: "));
  CHECK_THAT(with(R"("sweep":{"x":{"train.learning_rate":[0.001,1e-3]}})"),
             Contains("/sweep/x/train.learning_rate/1: 0.001 is the value of entry 0 already"));
  CHECK_THAT(with(R"("sweep":{"x":{"model.d_model":[8,16,8.0]}})"),
             Contains("/sweep/x/model.d_model/2: "));
  CHECK_THAT(with(R"("sweep":{"x":{"data.tokenizer":["a\nb"]}})"), Contains("control character"));
  CHECK_THAT(with(R"("sweep":{"x":{"model.x":["1",1]}})"), Contains("two variants of the name"));
  CHECK_THAT(with(R"("tune":{"train.learning_rate":[0.001,0.002,1e-3]})"),
             Contains("/tune/train.learning_rate/2: "));
  CHECK_THAT(with(R"("base":{"measure":{"context":[8,8]}})"), Contains("/measure/context/1: "));
  CHECK_THAT(with(R"("threads":0)"), Contains("/threads: 0 is out of range"));
  CHECK_THAT(with(R"("threads":1.5)"), Contains("/threads: expected a whole number"));
}

TEST_CASE("a study's source keeps what the command line set", "[unit]") {
  const TemporaryFolder folder;
  write_file_durably(folder.path / "s.json", R"({"study":"s","variants":{"z":{},"a":{}}} // end)");
  CHECK_THAT(read_study(folder.path / "s.json", {}).text, Contains("// end"));
  const Study set = read_study(folder.path / "s.json", {"train.tokens=5"}, 3);
  write_file_durably(folder.path / "t.json", set.text);
  const Study again = read_study(folder.path / "t.json", {});
  CHECK(again.base == set.base);
  CHECK(again.threads == 3);
  CHECK(again.variants[0].name == "z");
}

TEST_CASE("a record of another schema is refused in one line", "[unit]") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "records/abc.json";
  const auto error_of = [&](int64_t schema) -> std::string {
    write_file_durably(path, json{{"schema", schema}, {"arrays", "anything"}}.dump());
    try {
      read_record(path);
    } catch (const DamagedRecord&) {
      return "damaged";  // would be set aside and made again
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  const std::string old = error_of(1);
  CHECK_THAT(old, Contains("abc.json: has schema 1, this program reads 2") &&
                      Contains("study.json --out NEW_DIR` makes the study again"));
  CHECK(old.find('\n') == std::string::npos);
  CHECK_THAT(error_of(3), Contains("has schema 3") && Contains("later version"));
}

TEST_CASE("a name that several metrics have is refused until conditions tell", "[unit]") {
  Record record;
  const auto evaluation = [&](int64_t window) {
    RecordedEvaluation out;
    out.task = "perplexity";
    out.conditions = {{"split", "test"}, {"window", window}};
    out.id = evaluation_id(out);
    record.evaluations.push_back(out);
    return out.id;
  };
  const std::string narrow = evaluation(32), wide = evaluation(64);
  CHECK(narrow != wide);
  CHECK(narrow.starts_with("perplexity-"));
  for (const auto& [id, window] : {std::pair{narrow, 32}, {wide, 64}})
    record.metrics.push_back(
        {"loss_nats", 1.0 / window, {{"split", "test"}, {"window", window}}, "", id});
  record.metrics.push_back({"n_params", 7.0});
  CHECK_THROWS_AS(record.find("loss_nats"), AmbiguousMetric);
  CHECK_THROWS_AS(record.find("loss_nats", {{"split", "test"}}), AmbiguousMetric);
  CHECK(record.find("loss_nats", {{"window", 64}})->evaluation == wide);
  CHECK(record.find("loss_nats", {{"window", 16}}) == nullptr);
  CHECK(record.find_all("loss_nats").size() == 2);
  CHECK(record.find_in(narrow, "loss_nats")->value == 1.0 / 32);
  CHECK(record.headline() == narrow);
  CHECK(record.find_headline("loss_nats")->evaluation == narrow);
  CHECK(record.find_headline("n_params")->value == 7.0);
}

TEST_CASE("a record survives a round trip and never holds a NaN", "[unit]") {
  const TemporaryFolder folder;
  Record record;
  record.id = "abc";
  record.config = {
      {"model", json::object()},
      {"data",
       {{"corpus", {"a"}}, {"context_len", 8}, {"tokenizer", "bytes"}, {"train_on", "text"}}},
      {"train",
       {{"tokens", 1000},
        {"batch_tokens", 8},
        {"learning_rate", 1e-3},
        {"final_learning_rate", 0.1}}}};
  record.metrics.push_back({"loss_nats", 4.5, {{"window", 256}}, ""});
  record.metrics.push_back({"peak_memory_bytes", std::nullopt, json::object(), "not measured"});
  write_record(folder.path / "records/abc.json", record);
  const auto back = read_records(folder.path);
  REQUIRE(back.size() == 1);
  CHECK(*back[0].find("loss_nats")->value == 4.5);
  CHECK_FALSE(back[0].find("peak_memory_bytes")->value);
  record.metrics[0].value = std::nan("");
  CHECK_THROWS_AS(write_record(folder.path / "records/abc.json", record), std::logic_error);
  write_file_durably(folder.path / "records/abc.json", "{\"schema\": 2, \"outcome\": \"fine\"}");
  CHECK_THROWS_WITH(read_records(folder.path), Contains("/outcome: unknown value 'fine'"));
  record.metrics[0].value = 4.5;
  record.config["train"]["tokens"] = "many";
  write_record(folder.path / "records/abc.json", record);
  CHECK_THROWS_AS(read_records(folder.path), DamagedRecord);
  CHECK_THROWS_WITH(read_records(folder.path), Contains("sets this record aside"));
  CHECK_THROWS_WITH(read_records(folder.path),
                    Contains(": /config/train/tokens: expected a number, got \"many\""));
  record.config["train"]["tokens"] = 1000;
  record.metrics[0].evaluation = "perplexity-1";
  write_record(folder.path / "records/abc.json", record);
  CHECK_THROWS_WITH(read_records(folder.path), Contains("'perplexity-1' is none of the record's"));
}
