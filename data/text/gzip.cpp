// A thin cover over zlib.
#include "data/text/gzip.h"

#include <zlib.h>

#include "core/error.h"

namespace sublab {

std::string gunzip(const fs::path& path) {
  gzFile in = ::gzopen(path.c_str(), "rb");
  if (!in) throw UserError(path.string(), "cannot read");
  if (::gzdirect(in)) {  // zlib would hand over any other file as it is
    ::gzclose(in);
    throw UserError(path.string(), "is not gzip");
  }
  std::string out;
  char buffer[1 << 16];
  int n;
  while ((n = ::gzread(in, buffer, sizeof buffer)) > 0) out.append(buffer, n);
  const bool whole = ::gzclose(in) == Z_OK;
  if (n < 0) throw UserError(path.string(), "is damaged (not gzip)");
  if (!whole) throw UserError(path.string(), "is cut off: its gzip stream has no end");
  return out;
}

}  // namespace sublab
