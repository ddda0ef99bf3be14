#pragma once

// The few fields of a watched object that the list-watch protocol itself needs. The objects are decoded for
// real in kube/decode/.

#include <tl/expected.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace tc::kube {

/// Identity of an object and of its state.
struct object_meta {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::string resource_version;
  bool has_kind = false;
  bool has_api_version = false;
  bool initial_events_end = false; ///< the annotation of the bookmark that ends the initial events
  /// The metadata as JSON without managedFields and the last-applied annotation: what a synthetic DELETED
  /// carries.
  std::string compact;

  /// Returns "namespace/name", or "name" in a cluster-scoped object.
  std::string key() const;
};

/// Why an object cannot be used.
struct object_problem {
  std::string key;     ///< "namespace/name" as far as it could be read, else ""
  std::string problem; ///< for people; never a part of the object's content
};

/// A line of a watch.
struct watch_line {
  std::string type;             ///< ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
  std::string_view object_json; ///< exactly as sent; points into the line
  object_meta meta;             ///< not for ERROR
  int error_code = 0;           ///< of an ERROR's Status
  std::string error_reason;     ///< of the same
  std::string error_message;    ///< of the same
  int retry_after_seconds = 0;  ///< of the same; 0 when it says nothing
};

/// The metadata of a list.
struct list_meta {
  std::string resource_version;
  std::string continue_token; ///< "" on the last page
};

/// A Status object, which the API server answers errors with.
struct status_object {
  int code = 0;
  std::string reason;
  std::string message;
  std::string details_kind;
  std::string details_name;
  int retry_after_seconds = 0;
};

/// Reads JSON texts; owns a parser's memory. Not for several threads at a time.
class meta_reader {
public:
  meta_reader();
  ~meta_reader();
  meta_reader(const meta_reader&) = delete;
  meta_reader& operator=(const meta_reader&) = delete;

  /// Reads one line of a watch and checks that all of it is valid JSON.
  tl::expected<watch_line, object_problem> read_line(std::string_view line);
  /// Reads one item of a list and checks that all of it is valid JSON.
  tl::expected<object_meta, object_problem> read_object(std::string_view json);
  /// Reads the metadata of a list.
  tl::expected<list_meta, object_problem> read_list_meta(std::string_view json);
  /// Returns an empty status when the text is no Status object.
  status_object read_status(std::string_view json);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace tc::kube
