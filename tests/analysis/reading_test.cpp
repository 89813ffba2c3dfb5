// What a report says so that it is read right: verdicts beside intervals, legends, busy machines,
// names of files; and what a script takes of it.
#include <catch2/catch.hpp>
#include <cmath>
#include <sstream>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/print/trials.h"
#include "analysis/report/report.h"
#include "analysis/study/busy_machine.h"
#include "analysis/study/compare.h"
#include "analysis/text/format.h"
#include "analysis/verify.h"
#include "core/process.h"
#include "core/schema/bench.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

const Table& table_of(const Report& report, const std::string& title) {
  for (const Table& table : report.tables)
    if (table.title == title) return table;
  throw std::runtime_error("no table " + title);
}

const Cell& cell_of(const Table& table, const std::string& variant, const std::string& column) {
  for (const Row& row : table.rows)
    for (size_t c = 0; c < row.cells.size(); ++c)
      if (row.variant == variant && table.columns[c].name == column) return row.cells[c];
  throw std::runtime_error("no cell " + variant + ", " + column);
}

/// Three seeds of a and b, whose difference alone is clear and after correction is not.
void write_borderline(const fs::path& folder) {
  std::vector<FixtureTrial> trials;
  for (const int64_t seed : {1, 2, 3}) {
    const auto s = static_cast<double>(seed);
    trials.push_back({"a", seed, wavy_losses(3)});
    trials.push_back({"b", seed, wavy_losses(2.9 + 0.02 * s, 0.31)});
    for (const char* name : {"c", "d", "e"})
      trials.push_back({name, seed, wavy_losses(3 + 0.1 * std::cos(2 * s), 0.33)});
  }
  write_fixture(folder, {}, trials);
}

std::vector<std::vector<std::string>> lines_of(const std::string& csv) {
  std::vector<std::vector<std::string>> out(1, {""});
  bool inside = false;
  for (const char c : csv) {
    if (c == '"')
      inside = !inside;
    else if (c == ',' && !inside)
      out.back().emplace_back();
    else if (c == '\n' && !inside)
      out.push_back({""});
    else
      out.back().back() += c;
  }
  out.pop_back();
  return out;
}

Record trained(double seconds, const json& times, const json& environment) {
  Record record;
  record.times = times;
  record.times["train_seconds"] = seconds;
  record.environment = environment;
  return record;
}

}  // namespace

TEST_CASE("unclear stood beside an interval that excludes 0, without a word", "[unit]") {
  const TemporaryFolder place;
  write_borderline(place.path);
  const auto all = declared_comparisons(read_study_data(place.path));
  const Comparison& b = all.at(0);
  REQUIRE_FALSE(b.difference.interval->contains(0));
  REQUIRE(*b.p_value < 0.05);
  REQUIRE(*b.p_holm > 0.05);
  CHECK(b.verdict() == "unclear");
  CHECK(b.verdict_text() == "unclear after correction (p = " + fixed(*b.p_holm, 3) + ", Holm)");
  CHECK(all.at(1).verdict_text() == "unclear");
  const Report report = build_report(place.path);
  for (const char* title : {"Quality", "Comparisons"}) {
    const Table& table = table_of(report, title);
    for (const Row& row : table.rows)
      for (const Cell& cell : row.cells)
        if (cell.text == "unclear") {
          const Cell& difference = row.cells[title == std::string("Quality") ? 1 : 0];
          CHECK(*difference.low <= 0);
          CHECK(*difference.high >= 0);
        }
  }
  for (const std::string& format : report_formats())
    CHECK_THAT(report_as(format, report), Contains("unclear after correction"));
}

TEST_CASE("the columns of a table are explained under it in Markdown", "[unit]") {
  const TemporaryFolder place;
  write_borderline(place.path);
  const std::string text = report_as_markdown(build_report(place.path));
  CHECK_THAT(text, Contains("\n- loss: nats per token, evaluate mode, with 95 % interval\n") &&
                       Contains("\n- verdict: after Holm's correction") &&
                       Contains("\n- perplexity: exp(loss)\n"));
}

TEST_CASE("speed stands beside loss where both were measured", "[unit]") {
  const TemporaryFolder place;
  write_borderline(place.path);
  BenchFile bench;
  bench.compare_to = "a";
  for (const int64_t context : {64, 512}) {
    BenchMeasurement measurement{"train", context, 1, "float32", {}};
    for (const auto& [variant, repeat, seconds] :
         {std::tuple{"a", 0, 2.0}, std::tuple{"a", 1, 2.0}, std::tuple{"b", 0, 1.0}}) {
      BenchSeries series;
      series.variant = variant;
      series.repeat_of_reference = repeat;
      series.tokens_per_round = 100;
      for (int r = 0; r < 9; ++r)
        series.seconds.push_back(seconds * (context == 64 ? 1.0 : 1 + 0.01 * r));
      measurement.series.push_back(series);
    }
    bench.measurements.push_back(measurement);
  }
  write_file_durably(place.path / "bench/x.json", write_fields(bench).dump());
  const Report report = build_report(place.path);
  const Table& table = report.tables.front();
  CHECK(table.title == "Loss and speed");
  CHECK(cell_of(table, "b", "train speed-up").value == 2);
  CHECK(cell_of(table, "b", "train speed-up").strong);
  CHECK(cell_of(table, "b", "loss").text == cell_of(report.tables[1], "b", "loss").text);
  CHECK_THAT(table.columns.back().help, Contains("context 512, batch 1"));
}

TEST_CASE("standard deviations are numbers in CSV and JSON", "[unit]") {
  const TemporaryFolder place;
  write_borderline(place.path);
  const Report report = build_report(place.path);
  const Cell& bits = cell_of(table_of(report, "Quality"), "b", "bits/byte");
  REQUIRE(bits.deviation);
  CHECK(*bits.deviation == Approx(0.02 / std::log(2.0)).epsilon(0.01));
  const auto lines = lines_of(report_as_csv(report));
  REQUIRE(lines[0][7] == "sd");
  bool seen = false;
  for (const auto& line : lines) {
    REQUIRE(line.size() == lines[0].size());
    if (line[1] == "Quality" && line[2] == "b" && line[3] == "bits/byte") {
      CHECK(std::stod(line[7]) == Approx(*bits.deviation));
      seen = true;
    }
  }
  CHECK(seen);
  CHECK_THAT(report_as_json(report), Contains("\"sd\":0.0"));
}

TEST_CASE("every trial is a line with its configuration, in CSV and as JSON", "[unit]") {
  const TemporaryFolder place;
  std::vector<FixtureTrial> trials;
  const auto module = [](double value, int m) {
    return Metric{"bypass_mean_1", value, {{"module", m}, {"split", "test"}}, ""};
  };
  for (const int64_t seed : {1, 2}) {
    trials.push_back({"a", seed, wavy_losses(3)});
    trials.push_back({"b, \"quoted\"",
                      seed,
                      wavy_losses(2.9),
                      "bytes",
                      1,
                      {module(0.25, 0), module(0.75, 1), {"trigram", {}, json::object(), "none"}}});
  }
  write_fixture(place.path, {}, trials);
  fs::remove(place.path / "records" / (fixture_id("a", 2) + ".json"));
  fs::remove(arrays_path(place.path, fixture_id("a", 2)));
  const StudyData data = read_study_data(place.path);
  const auto lines = lines_of(trials_as_csv(data));
  REQUIRE(lines.size() == 5);
  const auto field = [&](size_t line, const std::string& column) {
    for (size_t c = 0; c < lines[0].size(); ++c)
      if (lines[0][c] == column) return lines.at(line).at(c);
    return std::string("no column " + column);
  };
  CHECK(field(1, "variant") == "a");
  CHECK(field(1, "seed") == "1");
  CHECK(field(1, "train.learning_rate") == "0.001");
  CHECK(field(1, "model.architecture") == "llama");
  CHECK(std::stod(field(1, "loss_nats")) == Approx(3).epsilon(0.01));
  CHECK(field(1, "bypass_mean_1[module=0]").empty());
  CHECK(field(2, "bypass_mean_1[module=0]") == "0.25");
  CHECK(field(2, "bypass_mean_1[module=1]") == "0.75");
  CHECK(field(2, "trigram").empty());
  CHECK(field(3, "outcome") == "missing");
  CHECK(field(3, "train.tokens") == "1000");
  std::istringstream text(trials_as_json_lines(data));
  std::vector<json> objects;
  for (std::string line; std::getline(text, line);) objects.push_back(json::parse(line));
  REQUIRE(objects.size() == 4);
  CHECK(objects[1]["config"]["train"]["learning_rate"] == 0.001);
  CHECK(objects[1]["metrics"][0]["value"] == 0.25);
  CHECK(objects[2]["outcome"] == "missing");
  // verify holds the file against the records.
  write_file_durably(place.path / "trials.csv", trials_as_csv(data));
  CHECK(verify_study(place.path).problems.empty());
  std::string altered = trials_as_csv(data);
  altered.replace(altered.find("0.75"), 4, "0.76");
  write_file_durably(place.path / "trials.csv", altered);
  REQUIRE(verify_study(place.path).problems.size() == 1);
  CHECK_THAT(verify_study(place.path).problems[0], Contains("trials.csv, line 3"));
}

TEST_CASE("one table of a report is a fragment for a paper", "[unit]") {
  const TemporaryFolder place;
  write_borderline(place.path);
  const Report report = build_report(place.path);
  const std::string text = table_as_latex(report, "quality");
  CHECK(text.starts_with("% Quality, fixture"));
  CHECK_THAT(text, Contains("\\begin{tabular}{@{}lrrrrr@{}}") && Contains("\\toprule") &&
                       Contains("\\bottomrule\n\\end{tabular}") && Contains("$-$"));
  CHECK_THAT(text, !Contains("\\num") && !Contains("S[") && !Contains("\\documentclass") &&
                       !Contains("\\begin{table}"));
  CHECK(table_as_latex(report, "qual") == text);
  CHECK_THROWS_WITH(table_as_latex(report, "qualty"),
                    Contains("unknown table 'qualty'") && Contains("quality"));
  CHECK_THROWS_WITH(table_as_latex(report, "co"), Contains("begins the names of 2 tables"));
  const auto pdflatex = find_program("pdflatex");
  if (!pdflatex) {
    WARN("pdflatex is not here: the table was not compiled");
    return;
  }
  write_file_durably(place.path / "quality.tex", text);
  write_file_durably(place.path / "paper.tex",
                     "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
                     "\\begin{table}\\caption{x}\\input{quality.tex}\\end{table}\\end{document}");
  const Setting inputs("TEXINPUTS", place.path.string() + ":");
  CHECK(run_program({pdflatex->string(), "-interaction=nonstopmode", "-halt-on-error",
                     "-output-directory", place.path.string(), (place.path / "paper.tex").string()},
                    (place.path / "errors").string())
            .code == 0);
}

TEST_CASE("a busy machine is seen by waiting, by CPU time, by load", "[unit]") {
  const json two = {{"cores", 2}, {"threads", 1}};
  const auto text = [](const Record& record) {
    const auto busy = busy_machine(record);
    return busy ? busy->text : "";
  };
  const auto times = [](double cpu, double waited) {
    return json{{"train_cpu_seconds", cpu}, {"train_wait_seconds", waited}};
  };
  CHECK(text(trained(10, times(9.9, 0.05), two)).empty());
  CHECK(text(trained(10, times(6.6, 3.3), two)) ==
        "ready to run, it had no core for 33 % of the time");
  CHECK(text(trained(10, {{"train_cpu_seconds", 6}}, two)) ==
        "its thread ran for 60 % of the time");
  // Two threads may be idle between parallel parts: CPU time alone says nothing.
  CHECK(text(trained(10, {{"train_cpu_seconds", 12}}, {{"cores", 2}, {"threads", 2}})).empty());
  const json loaded = {{"cores", 2}, {"threads", 2}, {"load_at_start", 7.75}};
  CHECK(text(trained(10, json::object(), loaded)) == "load 7.8 on 2 cores");
  CHECK(text(trained(10, times(19.5, 0.1), loaded)).empty());  // it did not wait
  CHECK(text(trained(10, {{"train_load_at_start", 7.0}, {"train_load_at_end", 2.1}}, loaded))
            .empty());                                               // what ran before had ended
  CHECK(text(trained(10, json::object(), json::object())).empty());  // an old record
  CHECK(text(trained(0, times(1, 9), two)).empty());                 // nothing was trained
}

TEST_CASE("a train time that was taken on a busy machine has a footnote", "[unit]") {
  const TemporaryFolder place;
  Plan plan;
  plan.match = {{{"by", "train_seconds"}, {"tolerance", 0.5}}};
  write_fixture(place.path, plan, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9, 0.31)}});
  for (const auto& [name, waited] : {std::pair{"a", 0.1}, std::pair{"b", 6.0}}) {
    const fs::path path = place.path / "records" / (fixture_id(name, 1) + ".json");
    Record record = read_record(path);
    record.times = {{"train_seconds", 12.0 + waited},
                    {"train_cpu_seconds", 12.0},
                    {"train_wait_seconds", waited}};
    write_record(path, record);
  }
  const Report report = build_report(place.path);
  for (const auto& [title, column] : {std::pair{"Cost", "train time"},
                                      std::pair{"At equal training seconds", "training seconds"}}) {
    const Table& table = table_of(report, title);
    CHECK(cell_of(table, "a", column).notes.empty());
    REQUIRE(cell_of(table, "b", column).notes.size() == 1);
    CHECK_THAT(report.footnotes.at(cell_of(table, "b", column).notes[0] - 1),
               Contains("busy machine") && Contains("no core for 33 % of the time"));
  }
  bool drawn = false;
  for (const Figure& figure : report.figures)
    if (figure.id == "loss_against_train_seconds") {
      drawn = true;
      CHECK_THAT(figure.caption, Contains("Timed on a busy machine: b."));
    }
  CHECK(drawn);
}

TEST_CASE("pages name files without the folders of their author", "[unit]") {
  CHECK(shown_path("/home/me/results/retention/checkpoints/0123456789abcdef") ==
        "retention/checkpoints/0123456789abcdef");
  CHECK(shown_path("/home/me/results/retention/checkpoints/0123456789abcdef/") ==
        "retention/checkpoints/0123456789abcdef");
  CHECK(shown_path("/tmp/text.md") == "text.md");
  CHECK(shown_path("../../me/ckpt/") == "ckpt");
  CHECK(shown_path("~/ckpt") == "ckpt");
  CHECK(shown_path("runs/ckpt") == "runs/ckpt");
  CHECK(shown_path("./ckpt/") == "ckpt");
  CHECK(shown_path("bytes") == "bytes");
}
