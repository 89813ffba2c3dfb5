// JSON in and out of fields, and every message.
#include "core/fields.h"

#include <catch2/catch.hpp>

using namespace sublab;
using Catch::Contains;

namespace {

struct Inner {
  double rate = 0.5;
  template <class F>
  void fields(F& f) {
    f("rate", rate, "a rate", above(0, 1));
  }
};

struct Outer {
  int64_t count = 3;
  std::string kind = "plain";
  std::optional<double> maybe;
  std::vector<int64_t> sizes = {1, 2};
  Inner inner;
  template <class F>
  void fields(F& f) {
    f("count", count, "a count", within(1, 10));
    f("kind", kind, "a kind", one_of({"plain", "fancy"}));
    f("maybe", maybe, "optional");
    f("sizes", sizes, "sizes", within(0, 100));
    f("inner", inner, "nested");
  }
};

std::string error_of(const std::string& text) {
  Outer outer;
  try {
    read_fields(parse_json(text, "t"), "t: ", outer);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("fields survive a round trip", "[unit]") {
  Outer outer;
  outer.count = 7;
  outer.maybe = 0.25;
  outer.inner.rate = 0.125;
  Outer back;
  read_fields(write_fields(outer), "", back);
  CHECK(write_fields(back) == write_fields(outer));
  CHECK(back.count == 7);
  CHECK(*back.maybe == 0.25);
  CHECK(describe_fields<Outer>().size() == 5);
  CHECK(describe_fields<Outer>()[0].allowed == "[1, 10]");
}

TEST_CASE("each mistake in a config is one line with its path", "[unit]") {
  CHECK_THAT(error_of(R"({"coutn": 3})"),
             Contains("t: unknown key 'coutn'; did you mean 'count'?"));
  CHECK_THAT(error_of(R"({"count": "3"})"), Contains("/count: expected a whole number, got \"3\""));
  CHECK_THAT(error_of(R"({"count": 3.5})"), Contains("/count: expected a whole number"));
  CHECK_THAT(error_of(R"({"count": 11})"),
             Contains("/count: 11 is out of range; allowed: [1, 10]"));
  CHECK_THAT(error_of(R"({"kind": "fanci"})"), Contains("did you mean 'fancy'?"));
  CHECK_THAT(error_of(R"({"sizes": [1, -2]})"), Contains("/sizes/1: -2 is out of range"));
  CHECK_THAT(error_of(R"({"inner": {"rate": 0}})"),
             Contains("/inner/rate: 0 is out of range; allowed: (0, 1]"));
  CHECK_THAT(error_of(R"({"inner": 4})"), Contains("/inner: expected an object"));
  CHECK_THAT(error_of(R"([1])"), Contains("expected an object"));
}

TEST_CASE("JSON may have comments, but no key twice", "[unit]") {
  CHECK(parse_json("// why\n{\"a\": /* x */ 1}", "t")["a"] == 1);
  CHECK_THROWS_WITH(parse_json("{\"a\": 1,\n  \"a\": 2}", "t"),
                    Contains("the key 'a' stands twice"));
  CHECK_THROWS_WITH(parse_json("{\n  \"a\": }", "t"), Contains("t: is not valid JSON at line 2"));
}

TEST_CASE("hostile JSON is refused in a line", "[unit]") {
  for (const std::string open : {"[", "{\"a\":"})
    for (const size_t depth : {size_t{201}, size_t{100000}}) {
      std::string text;
      for (size_t i = 0; i < depth; ++i) text += open;
      CHECK_THROWS_WITH(parse_json(text, "t"), Contains("t: is nested more than 200 levels deep"));
    }
  json deep = 1;
  for (int i = 0; i < 199; ++i) deep = json::array({deep});
  CHECK(parse_json(deep.dump(), "t") == deep);
  CHECK_THROWS_WITH(parse_json(std::string("{\"a\": 1}\0{", 10), "t"),
                    Contains("t: is no JSON: it has a NUL byte at byte 8"));
  CHECK_THROWS_WITH(parse_json("{\"a\": \"x\\u0000y\"}", "t"), Contains("has a NUL character"));
  CHECK_THROWS_WITH(parse_json("{\"a\\u0000\": 1}", "t"), Contains("has a NUL character"));
  CHECK_THROWS_WITH(parse_json("[\"\xff\"]", "t"), Contains("is not valid JSON"));
  json root = json::object();
  CHECK_THROWS_WITH(set_by_assignment(root, "model.a=\xff"), Contains("not UTF-8"));
  CHECK_THROWS_WITH(
      set_by_assignment(root, "model.a=" + std::string(300, '[') + std::string(300, ']')),
      Contains("nested more than"));
  std::string key = "model";
  for (int i = 0; i < 1000; ++i) key += ".a";
  CHECK_THROWS_WITH(set_by_dotted_key(root, key, 1), Contains("has more than 50 parts"));
}

TEST_CASE("dotted keys set nested values", "[unit]") {
  json root = {{"model", {{"d_model", 1}}}};
  set_by_assignment(root, "model.d_model=8");
  set_by_assignment(root, "model.scorer=random");
  set_by_assignment(root, "data.corpus=[\"a\"]");
  CHECK(root["model"]["d_model"] == 8);
  CHECK(root["model"]["scorer"] == "random");
  CHECK(root["data"]["corpus"][0] == "a");
  CHECK_THROWS_WITH(set_by_assignment(root, "model.d_model.x=1"), Contains("is not an object"));
  CHECK_THROWS_WITH(set_by_assignment(root, "nothing"), Contains("expected KEY=VALUE"));
  for (const char* broken : {"model.scorer={\"type\":\"learned\"", "data.corpus=[\"a\""})
    CHECK_THROWS_WITH(set_by_assignment(root, broken), Contains("--set ") && Contains("JSON"));
  CHECK(root["model"]["scorer"] == "random");
}

TEST_CASE("an object that is set is merged; one of another type takes the place", "[unit]") {
  json root = {{"model", {{"d_model", 8}, {"rope", {{"type", "linear"}, {"factor", 2}}}}}};
  set_by_assignment(root, R"(model={"n_layers": 1, "rope": {"factor": 4}})");
  CHECK(root["model"]["d_model"] == 8);
  CHECK(root["model"]["n_layers"] == 1);
  CHECK(root["model"]["rope"] == json{{"type", "linear"}, {"factor", 4}});
  set_by_dotted_key(root, "model.rope", {{"type", "yarn"}});
  CHECK(root["model"]["rope"] == json{{"type", "yarn"}});
  set_by_dotted_key(root, "model.rope", nullptr);
  CHECK(root["model"]["rope"].is_null());
  CHECK_THROWS_WITH(set_by_assignment(root, "model={}"), Contains("changes nothing"));
  for (const char* key : {"model.", ".model", "model..d_model", "."})
    CHECK_THROWS_WITH(set_by_dotted_key(root, key, 1), Contains("empty part"));
}

TEST_CASE("names of the field are known: lr is learning_rate", "[unit]") {
  CHECK(nearest_name("lr", {"learning_rate", "tokens"}) == "learning_rate");
  CHECK(nearest_name("hidden_size", {"d_ff", "d_model"}) == "d_model");
  CHECK(nearest_name("num_attention_heads", {"n_heads", "n_kv_heads"}) == "n_heads");
  CHECK(nearest_name("lr", {"model", "data", "train"}) == "train.learning_rate");
  CHECK(nearest_name("n_layers", {"model", "data", "train"}) == "model.n_layers");
  CHECK(nearest_name("lr", {"train", "run"}).empty());
  CHECK(nearest_name("learning_rte", {"learning_rate"}) == "learning_rate");
}

TEST_CASE("what has no settings says so", "[unit]") {
  CHECK_THROWS_WITH(fields_detail::check_keys({{"rate", 1}}, "t/model/gate", {}),
                    Contains("t/model/gate: has no settings, so no 'rate'"));
  CHECK_NOTHROW(fields_detail::check_keys(json::object(), "t", {}));
}
