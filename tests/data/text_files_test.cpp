// A user's folder, with all that may lie in it.
#include "data/text/text_files.h"

#include <sys/stat.h>
#include <zlib.h>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "data/corpus.h"
#include "data/tokenizer.h"
#include "tests/lowercasing_tokenizer.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

struct Texts : TemporaryFolder {
  void write(const std::string& name, const std::string& text) const {
    write_file_durably(path / name, text);
  }
  void write_gzip(const std::string& name, const std::string& text) const {
    const gzFile out = ::gzopen((path / name).c_str(), "wb");
    ::gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(out);
  }
  std::vector<std::string> read(const TextFileRules& rules = {}) const {
    std::vector<std::string> out;
    last = read_text_files(path, rules, [&](std::string text) { out.push_back(text); });
    return out;
  }
  mutable FilesRead last;
};

}  // namespace

TEST_CASE("a folder's files are read by their kind, in any case, through links", "[unit]") {
  const Texts texts;
  texts.write("a.txt", "plain");
  texts.write("b.JSONL", "{\"text\": \"one\"}\n\n\"two\"\n");
  texts.write("c.ndjson", "{\"text\": \"three\", \"more\": 1}");
  texts.write("d.Json", "[{\"text\": \"four\"}, \"five\"]");
  texts.write("e.json", "{\"text\": \"six\"}");
  texts.write_gzip("f.txt.gz", "seven");
  texts.write_gzip("g.jsonl.GZ", "{\"text\": \"eight\"}");
  texts.write("h.txt", "  \n");
  const TemporaryFolder elsewhere;
  write_file_durably(elsewhere.path / "z.md", "nine");
  fs::create_directory_symlink(elsewhere.path, texts.path / "linked");
  fs::create_directory_symlink(texts.path, elsewhere.path / "back");
  CHECK(texts.read() == std::vector<std::string>{"plain", "one", "two", "three", "four", "five",
                                                 "six", "seven", "eight", "nine"});
  CHECK(texts.last.n_json == 5);
  CHECK_THROWS_WITH(texts.read({"body", false}),
                    Contains("b.JSONL:1: expected an object with a string \"body\""));
}

TEST_CASE("what is no text is named, and left out when that is asked for", "[unit]") {
  const Texts texts;
  texts.write("a.txt", "plain");
  texts.write("b.jsonl", "{\"text\": \"first\"}\n{\"txt\": \"second\"}");
  const auto check_named = [&](const std::string& expected) {
    CHECK_THROWS_WITH(texts.read(), Contains(expected));
    CHECK(texts.read({"text", true}) == std::vector<std::string>{"plain"});
    CHECK_THAT(texts.last.left_out.back(), Contains(expected));
  };
  check_named("b.jsonl:2: expected an object");
  fs::remove(texts.path / "b.jsonl");
  texts.write("c.bin", std::string("a\0b", 3));
  check_named("c.bin: is a binary file");
  fs::remove(texts.path / "c.bin");
  texts.write("d.txt", "caf\xe9");
  check_named("d.txt: is not UTF-8");
  fs::remove(texts.path / "d.txt");
  texts.write("e.json", "{\"name\": 1}");
  check_named("e.json: expected an object");
  fs::remove(texts.path / "e.json");
  fs::create_symlink("nowhere", texts.path / "f.txt");
  check_named("f.txt: is a link that leads nowhere");
  fs::remove(texts.path / "f.txt");
  fs::create_symlink("g.txt", texts.path / "g.txt");
  check_named("g.txt: is a link that leads nowhere");
  fs::remove(texts.path / "g.txt");
  ::mkfifo((texts.path / "h").c_str(), 0600);
  check_named("h: is neither a file nor a folder");
}

TEST_CASE("an import says which splits are empty", "[unit]") {
  const TemporaryCache cache;
  const Texts texts;
  texts.write("a.jsonl", "{\"body\": \"one document\"}");
  const ImportedCorpus imported = import_corpus(texts.path / "a.jsonl", "one", {"body", false});
  CHECK(imported.manifest.train.documents + imported.manifest.validation.documents +
            imported.manifest.test.documents ==
        1);
  CHECK(empty_splits({"one"}).size() == 2);
  texts.write("b.txt", "text");
  CHECK_THROWS_WITH(import_corpus(texts.path / "b.txt", "two", {"body", false}),
                    Contains("--field: has no effect"));
  CHECK_FALSE(fs::exists(corpus_folder("two")));
}

TEST_CASE("a tokenizer is judged by the very text that it is given", "[unit]") {
  const TemporaryFolder folder;
  write_lowercasing_tokenizer(folder.path / "lower.model");
  const auto lower = sentencepiece_tokenizer(read_file(folder.path / "lower.model"), "lower.model");
  const auto gives_back = [&](const std::string& text) {
    return lower->text_of(lower->encode(text)) == text;
  };
  CHECK(gives_back("note word1 word2."));
  CHECK(gives_back("caf\xc3\xa9"));
  CHECK_FALSE(gives_back("Note word1 word2."));
  CHECK_FALSE(gives_back("note  word1"));
  CHECK(lower->encode(" \n ").empty());
  write_blank_first_tokenizer(folder.path / "blank.model");
  const auto blank = sentencepiece_tokenizer(read_file(folder.path / "blank.model"), "blank.model");
  for (const std::string text : {"note word1", " note", "a  b\n", "", "\xc3\xa9"})
    CHECK(blank->text_of(blank->encode(text)) == text);
  CHECK(blank->decode(blank->encode("note")) == " note");
}

TEST_CASE("what is named gzip is a whole gzip stream; hidden files are passed over", "[unit]") {
  const Texts texts;
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919) + " ";
  texts.write_gzip("a.txt.gz", text);
  texts.write(".hidden.txt", "no");
  texts.write(".git/HEAD", "no");
  CHECK(texts.read() == std::vector<std::string>{text});
  const std::string whole = read_file(texts.path / "a.txt.gz");
  texts.write("a.txt.gz", whole.substr(0, whole.size() / 2));
  CHECK_THROWS_WITH(texts.read(), Contains("a.txt.gz") && Contains("cut off"));
  texts.write("a.txt.gz", "plain text");
  CHECK_THROWS_WITH(texts.read(), Contains("a.txt.gz: is not gzip"));
}
