#pragma once

// The API of the stand-in, without sockets: what a request is answered with, or which watch it opens.

#include "bench/storm/server/recorded_storm.hpp"
#include "bench/storm/server/watcher.hpp"
#include "bench/storm/server/written_objects.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tc::storm {

struct api_request {
  std::string method;
  std::string path;                         ///< without the query
  std::map<std::string, std::string> query; ///< decoded
  std::string content_type;
  bool takes_gzip = false;
  std::string body;
};

struct api_answer {
  int status = 200;
  std::string body;
  bool is_gzip = false;
  /// Set for a watch, which has no body of its own.
  std::unique_ptr<watcher> watch;
  std::int64_t watch_seconds = 0; ///< when it ends by itself; 0 for never
};

struct api_counts {
  std::uint64_t lists = 0, pages = 0, watches = 0, expired = 0, status_patches = 0, events_created = 0,
                conflicts = 0;
};

class api {
public:
  explicit api(recorded_storm& storm);

  /// Puts a Trace, Provider, Secret or Lease there. Returns why it cannot.
  std::optional<std::string> put(json object);

  api_answer answer(const api_request& request);

  /// The next event of the storm becomes visible.
  void show_next();
  std::size_t shown() const { return shown_; }
  /// Compaction: no watch and no list can go on from before.
  void forget();
  const api_counts& counts() const { return counts_; }

private:
  /// Where a path points.
  struct place {
    collection* events = nullptr;
    written_objects* written = nullptr; ///< null for what is played
    std::string namespace_name, name, subresource;
  };
  /// A list under way: the objects are those of its first page.
  struct paged_list {
    std::uint64_t number;
    collection::snapshot objects;
    std::uint64_t version;
  };

  std::optional<place> find(const std::string& path);
  api_answer discover(const std::string& path) const;
  api_answer list(const place& at, const api_request& request);
  api_answer watch(const place& at, const api_request& request);
  api_answer read(const place& at);
  api_answer write(const place& at, const api_request& request);
  std::vector<const kube::resource_ref*> resources() const;

  recorded_storm& storm_;
  std::vector<std::unique_ptr<collection>> empty_; ///< kinds that are served and have no objects
  std::vector<std::unique_ptr<written_objects>> written_;
  std::map<std::string, collection*> events_by_path_;
  std::map<std::string, written_objects*> written_by_path_;
  std::list<paged_list> lists_;
  std::uint64_t list_number_ = 0;
  std::size_t shown_ = 0;
  api_counts counts_;
};

/// Splits "a=b&c=d" and decodes percent signs.
std::map<std::string, std::string> parse_query(std::string_view query);

} // namespace tc::storm
