#pragma once

// The words on spans: which service did it, attribute values by the semantic conventions, what a source's
// content and a workload's images are called. Nothing here depends on attribution. Internal to trace/.

#include "messages/span.hpp"
#include "trace/facts.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tc::trace {

/// Returns service.name for work on the object: the controller that does it.
std::string controller_of(const object_id& object);

double seconds(duration value);

/// Returns the semantic conventions' word for the result of a pipeline or a task.
std::string result_word(std::string_view outcome);

/// Returns the text without the user and password of addresses in it ("https://user:password@host").
std::string without_credentials(std::string text);

/// Takes credentials out of what Flux says on the span: a Git URL in an error may hold them.
void hide_credentials(span& on);

/// Adds the attribute unless the value is empty.
void put(span& on, const char* key, std::string value);

/// Adds commit, branch or tag, repository and digest of what a source holds. `latest` may be null.
void put_content(span& on, const object_id& source, const occurrence& content, const observation* latest);

/// Adds names, tags and digests of container images.
void put_images(span& on, const std::vector<std::string>& images);

} // namespace tc::trace
