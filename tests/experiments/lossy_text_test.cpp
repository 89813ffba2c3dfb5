// Text that a tokenizer does not give back, JSON lines as text, and text that is not there.
#include <catch2/catch.hpp>
#include <numbers>

#include "core/npz.h"
#include "core/schema/arrays.h"
#include "tests/experiments/shell.h"
#include "tests/lowercasing_tokenizer.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// Corpus "mixed": half of its documents are lower case.
class Mixed : public Workplace {
 public:
  Mixed() {
    write_lowercasing_tokenizer(path("lower.model"));
    std::string lines;
    for (int i = 0; i < 400; ++i) {
      std::string text = std::string(i % 2 ? "Note" : "note") + std::to_string(i) + ".";
      for (int w = 0; w < 12; ++w) text += " word" + std::to_string((i * 7 + w * i) % 30);
      lines += json{{"text", text}}.dump() + "\n";
    }
    write("mixed.jsonl", lines);
    REQUIRE(run("corpus import mixed.jsonl mixed").code == 0);
  }
};

}  // namespace

TEST_CASE("bits per byte count the documents that the tokenizer gives back", "[end_to_end]") {
  const Mixed place;
  json study = place.study();
  study["base"]["data"] = {
      {"corpus", {"mixed"}}, {"tokenizer", "lower.model"}, {"context_len", 32}};
  study["variants"] = {{"llama", json::object()}};
  place.write("tiny.json", study.dump());
  const Ran ran = place.run("run tiny.json");
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const fs::path file = folder_entries(place.path("results/tiny/records")).front();
  const json record = json::parse(read_file(file));
  const std::string evaluation = record.at("evaluations").at(0).at("id");
  const NpyArray arrays = NpzFile(arrays_path(place.path("results/tiny"), file.stem().string()))
                              .read(member_name(array::kDocuments, evaluation));
  const auto sums = arrays.as_doubles();
  double loss = 0, bytes = 0;
  int64_t left_out = 0;
  for (size_t d = 0; d < sums.size(); d += 3)
    if (sums[d + 2] > 0)
      loss += sums[d], bytes += sums[d + 2];
    else
      ++left_out;
  REQUIRE(bytes > 0);
  REQUIRE(left_out > 0);
  const std::string note = "without " + std::to_string(left_out) + " of " +
                           std::to_string(arrays.shape[0]) + " documents";
  for (const json& metric : record.at("metrics"))
    if (metric.at("name") == "bits_per_byte") {
      CHECK(metric.at("value").get<double>() == Approx(loss / std::numbers::ln2 / bytes));
      CHECK_THAT(metric.at("note").get<std::string>(), Contains(note));
    }
  CHECK_THAT(ran.out, Contains(note));
  CHECK(place.run("verify results/tiny").code == 0);
}

TEST_CASE("eval counts bytes of what comes back, and refuses to score nothing", "[end_to_end]") {
  const Mixed place;
  REQUIRE(place
              .run(place.train_arguments("ckpt",
                                         "--set data.corpus='[\"mixed\"]' "
                                         "--set data.tokenizer=lower.model"))
              .code == 0);
  const auto eval = [&](const std::string& name, const std::string& text) {
    place.write(name, text);
    return place.run("eval --model ckpt --json --text " + name);
  };
  const json low = json::parse(eval("low.txt", "note word1 word2").out);
  CHECK(low.at("bits_per_byte").is_number());
  CHECK(low.at("bytes") == 16);
  const json high = json::parse(eval("high.txt", "Note word1 word2").out);
  CHECK(high.at("bits_per_byte").is_null());
  CHECK(high.at("loss_nats") == low.at("loss_nats"));
  const json both =
      json::parse(eval("both.JSONL", "{\"text\": \"note word1 word2\"}\n\"Note word1 word2\"").out);
  CHECK(both.at("documents") == 2);
  CHECK(both.at("documents_without_bytes") == 1);
  CHECK(both.at("loss_nats").get<double>() == Approx(low.at("loss_nats").get<double>()));
  CHECK(both.at("bits_per_byte").get<double>() == Approx(low.at("bits_per_byte").get<double>()));
  const Ran nothing = eval("blank.txt", " \n ");
  CHECK(nothing.code == 2);
  CHECK(nothing.out.empty());
  CHECK_THAT(nothing.err, Contains("blank.txt: has no tokens"));
  CHECK(eval("empty.jsonl", "\n").code == 2);
}

TEST_CASE("a study is refused where a split that it needs is empty", "[end_to_end]") {
  const Workplace place;
  place.write("few/a.txt", "one document alone");
  const Ran imported = place.run("corpus import few few");
  CHECK(imported.code == 0);
  CHECK_THAT(imported.err, Contains("no document fell into"));
  place.write("few/b.bin", std::string("\0", 1));
  CHECK_THAT(place.run("corpus import few few").err, Contains("b.bin: is a binary file"));
  const Ran left = place.run("corpus import few few --skip-unreadable --json");
  CHECK(left.code == 0);
  CHECK_THAT(json::parse(left.out).at("left_out")[0].get<std::string>(), Contains("b.bin"));
  json study = place.study();
  study["base"]["data"]["corpus"] = {"few"};
  place.write("tiny.json", study.dump());
  const Ran refused = place.run("run tiny.json");
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("/data/corpus: no document of few fell into the"));
  CHECK_FALSE(fs::exists(place.path("results")));
  // A corpus that lost its validation text, with nothing but speed to measure.
  json manifest = json::parse(read_file(place.path("corpora/notes/manifest.json")));
  manifest["validation"]["documents"] = 0;
  place.write("corpora/notes/manifest.json", manifest.dump());
  study = place.study(
      {{"base",
        {{"evaluate", json::array()}, {"measure", {{"modes", {"decode"}}, {"context", {16}}}}}}});
  place.write("speed.json", study.dump());
  CHECK_THAT(place.run("run speed.json").err, Contains("validation split, which measure needs"));
}
