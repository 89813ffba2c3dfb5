// What the names in a plan stand for. A corpus that is imported again keeps its name, and so does a
// tokenizer file that was written anew: what decides a trial is their content.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// SHA-256 of each split of a corpus.
struct CorpusContent {
  std::string name;
  std::string version;  ///< of the package; "" for text of the user's own
  std::string train, validation, test;

  template <class F>
  void fields(F& f) {
    f("name", name, "corpus");
    f("version", version, "version of its package");
    f("train", train, "SHA-256 of the train split");
    f("validation", validation, "SHA-256 of the validation split");
    f("test", test, "SHA-256 of the test split");
  }
};

struct NamedHash {
  std::string name, hash;

  template <class F>
  void fields(F& f) {
    f("name", name, "as the study names it");
    f("hash", hash, "of its content");
  }
};

/// Empty in plans from before this was written down, and without what was not known.
struct PlanContent {
  std::vector<CorpusContent> corpora;
  std::vector<NamedHash> tokenizers;   ///< .model files that the study names
  std::vector<NamedHash> checkpoints;  ///< whose weights trials start from; not those of the study

  template <class F>
  void fields(F& f) {
    f("corpora", corpora, "text of each corpus");
    f("tokenizers", tokenizers, "tokenizer files");
    f("checkpoints", checkpoints, "weights that trials start from");
  }

  const CorpusContent* corpus(const std::string& name) const;
  bool empty() const { return corpora.empty() && tokenizers.empty() && checkpoints.empty(); }
};

/// An entry of `evaluate` without the folder that its data lie in: a name, where the entry says
/// what the data hold.
json without_folder(json task);

/// The hash that `list` has for a name, or null.
const std::string* find_hash(const std::vector<NamedHash>& list, const std::string& name);

/// One sentence for every name that both know and that stands for something else in `now`:
/// "corpus 'notes' has another content now (train and test text)".
std::vector<std::string> content_differences(const PlanContent& before, const PlanContent& now);

}  // namespace sublab
