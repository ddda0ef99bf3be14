#include "kube/reflector_state.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tc::kube {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t max_error_body = std::size_t{64} << 10;
constexpr auto list_limit = 120s;
/// How much longer than timeoutSeconds a watch may take before it is taken for dead.
constexpr auto watch_grace = 30s;
/// A watch that ends sooner without an event is not a watch: asking again at once would be a busy loop.
constexpr auto shortest_useful_watch = 1s;
/// A watch that lasted that long was healthy, even without an event.
constexpr auto longest_settling = 30s;
/// A watch that cannot be resumed this often in a row is given up for a list.
constexpr int failed_watches_before_list = 4;

/// Texts that differ in a duration or a port tell the same.
std::string without_digits(std::string text) {
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }),
             text.end());
  return text;
}

bool is_success(int status) {
  return status >= 200 && status < 300;
}

} // namespace

std::string_view to_string(reflector_status status) {
  switch (status) {
  case reflector_status::stopped:
    return "stopped";
  case reflector_status::resolving:
    return "resolving";
  case reflector_status::absent:
    return "absent";
  case reflector_status::listing:
    return "listing";
  case reflector_status::watching:
    return "watching";
  case reflector_status::forbidden:
    return "forbidden";
  case reflector_status::failing:
    return "failing";
  }
  return "";
}

reflector_state::reflector_state(resource_ref kind, reflector_options options, reflector_sink& sink,
                                 reflector_port& port)
    : resource_(std::move(kind)), options_(std::move(options)), sink_(sink), port_(port),
      lines_(options_.max_object_bytes), list_(options_.max_object_bytes),
      delays_(options_.first_delay, options_.longest_delay, options_.seed),
      forbidden_delays_(options_.first_forbidden_delay, options_.longest_delay, options_.seed + 1),
      absent_delays_(options_.first_forbidden_delay, options_.longest_absent_delay, options_.seed + 2),
      watch_list_(options_.use_watch_list) {
  if (!options_.memory)
    return;
  const auto& memory = *options_.memory;
  for (const auto& object : memory.objects)
    known_[object.key] = {object.uid, object.resource_version, object.metadata, 0};
  resource_version_ = memory.resource_version;
  resumes_ = !resource_version_.empty();
  remembers_ = resumes_ || !known_.empty();
  options_.memory.reset();
}

void reflector_state::distrust() {
  known_.clear();
  resource_version_.clear();
  resumes_ = remembers_ = false;
}

// -- requests -----------------------------------------------------------------

void reflector_state::start(timestamp) {
  report(reflector_status::resolving);
  resolve_now();
}

void reflector_state::resolve_now() {
  phase_ = phase::resolving;
  port_.resolve();
}

void reflector_state::on_resolved(resolution result, timestamp now) {
  if (phase_ != phase::resolving)
    return;
  if (!result) {
    ++counts_.failures;
    // Of a kind that is not installed nobody needs to hear that the server has gone: the others tell it.
    if (status_ != reflector_status::absent)
      report(reflector_status::failing, "cannot find out which version is served: " + result.error());
    wait(delays_.next(options_.longest_unreachable_delay), next_step::resolve);
    return;
  }
  if (!*result) {
    gone_absent("the cluster does not serve this kind");
    return;
  }
  resource_ = std::move(**result);
  if (resumes_)
    begin_watch(now);
  else
    begin_collecting(now);
}

std::string reflector_state::common_query() const {
  if (options_.label_selector.empty())
    return {};
  return "&labelSelector=" + url_encode(options_.label_selector);
}

/// Reads the present state, by WatchList where it may work, else page by page.
void reflector_state::begin_collecting(timestamp now) {
  resumes_ = false;
  ++round_;
  ++counts_.lists;
  collecting_ = true;
  all_identified_ = true;
  continue_.clear();
  // After a failure the status stays what it was until something works again.
  if (status_ == reflector_status::resolving || status_ == reflector_status::absent)
    report(reflector_status::listing);
  if (!watch_list_) {
    request_page();
    return;
  }
  phase_ = phase::watch_listing;
  ++request_number_;
  http_status_ = 0;
  error_body_.clear();
  lines_.clear();
  request_started_ = last_data_ = now;
  events_in_watch_ = 0;
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
      delays_.between(options_.shortest_watch, options_.longest_watch));
  port_.send(
      {collection_path(resource_, options_.namespace_name) +
           "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
           "&timeoutSeconds=" +
           std::to_string(seconds.count()) + common_query(),
       true, seconds + watch_grace});
  port_.set_timer(options_.watch_list_patience);
}

void reflector_state::request_page() {
  phase_ = phase::listing;
  ++request_number_;
  http_status_ = 0;
  error_body_.clear();
  list_ = list_splitter{options_.max_object_bytes};
  auto path =
      collection_path(resource_, options_.namespace_name) + "?limit=" + std::to_string(options_.page_size);
  if (!continue_.empty())
    path += "&continue=" + url_encode(continue_);
  port_.send({path + common_query(), false, list_limit});
}

void reflector_state::begin_watch(timestamp now) {
  phase_ = phase::watching;
  ++request_number_;
  ++counts_.watches;
  http_status_ = 0;
  error_body_.clear();
  lines_.clear();
  request_started_ = last_data_ = now;
  events_in_watch_ = 0;
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
      delays_.between(options_.shortest_watch, options_.longest_watch));
  port_.send({collection_path(resource_, options_.namespace_name) +
                  "?watch=true&allowWatchBookmarks=true&resourceVersion=" + url_encode(resource_version_) +
                  "&timeoutSeconds=" + std::to_string(seconds.count()) + common_query(),
              true, seconds + watch_grace});
}

// -- responses ----------------------------------------------------------------

void reflector_state::on_head(int status, timestamp now) {
  http_status_ = status;
  last_data_ = now;
  if (phase_ != phase::watching || !is_success(status))
    return;
  report(reflector_status::watching);
  if (!synced_)
    port_.set_timer(options_.catching_up);
}

void reflector_state::on_data(std::string_view piece, timestamp now) {
  last_data_ = now;
  if (!is_success(http_status_)) {
    error_body_.append(piece.substr(0, max_error_body - std::min(max_error_body, error_body_.size())));
    return;
  }
  if (phase_ == phase::listing) {
    list_.feed(
        piece, [&](std::string_view item) { handle_item(item, now); },
        [&](std::size_t size) {
          all_identified_ = false;
          broken({"", "is larger than the limit: " + std::to_string(size) + " bytes"});
        });
    return;
  }
  if (phase_ != phase::watching && phase_ != phase::watch_listing)
    return;
  auto own = request_number_;
  lines_.feed(
      piece,
      [&](std::string_view line) {
        handle_line(line, now);
        return own == request_number_;
      },
      [&](std::size_t size) {
        all_identified_ = false;
        broken({"", "is larger than the limit: " + std::to_string(size) + " bytes"});
        return true;
      });
}

void reflector_state::on_done(const reflector_reply& reply, timestamp now) {
  if (phase_ != phase::listing && phase_ != phase::watching && phase_ != phase::watch_listing)
    return;
  if (reply.status != 0)
    http_status_ = reply.status;
  if (!reply.complete) {
    request_failed(reply, now);
  } else if (!is_success(http_status_)) {
    auto answer = reader_.read_status(error_body_);
    auto message = "HTTP " + std::to_string(http_status_);
    if (!answer.message.empty())
      message += ": " + answer.message;
    std::optional<duration> retry_after = reply.retry_after;
    if (!retry_after && answer.retry_after_seconds > 0)
      retry_after = std::chrono::seconds{answer.retry_after_seconds};
    ++counts_.failures;
    status_failed(http_status_, message, retry_after, now);
  } else if (phase_ == phase::listing) {
    list_ended(now);
  } else {
    watch_ended(now);
  }
}

std::uint64_t reflector_state::watched_version() const {
  std::uint64_t out = 0;
  if (phase_ == phase::watching)
    std::from_chars(resource_version_.data(), resource_version_.data() + resource_version_.size(), out);
  return out;
}

void reflector_state::list_ended(timestamp now) {
  auto meta = list_.complete() ? reader_.read_list_meta(list_.metadata())
                               : tl::unexpected(object_problem{"", "is not complete JSON"});
  if (meta && !list_.has_items())
    meta = tl::unexpected(object_problem{"", "has no items"});
  if (meta && meta->resource_version.empty() && meta->continue_token.empty())
    meta = tl::unexpected(object_problem{"", "has no metadata.resourceVersion"});
  if (!meta) {
    ++counts_.failures;
    report(reflector_status::failing, "the response to a list request " + meta.error().problem);
    wait(delays_.next(), next_step::collect);
    return;
  }
  if (!meta->continue_token.empty()) {
    continue_ = std::move(meta->continue_token);
    request_page();
    return;
  }
  resource_version_ = std::move(meta->resource_version);
  collected(now);
  begin_watch(now);
}

/// Everything that exists has been seen in this round: what has not been seen has gone.
void reflector_state::collected(timestamp now) {
  collecting_ = false;
  if (all_identified_) {
    std::unordered_map<std::string, known_object> gone;
    for (auto entry = known_.begin(); entry != known_.end();) {
      auto current = entry++;
      if (current->second.round != round_)
        gone.insert(known_.extract(current));
    }
    for (const auto& [key, object] : gone)
      tell_missed_deletion(object, now);
  }
  // A watch that expires at once must not turn into lists without a pause: only an event or time resets that.
  if (!expired_before_)
    progressed();
  sink_.on_position(resource_, resource_version_);
  synced_now();
}

void reflector_state::synced_now() {
  if (!std::exchange(synced_, true))
    sink_.on_synced(resource_);
}

void reflector_state::watch_ended(timestamp now) {
  // Some servers end the last line by ending the response. A line cut in the middle is not an error of an
  // object.
  if (auto rest = lines_.rest(); !rest.empty()) {
    lines_.clear();
    if (reader_.read_line(rest)) {
      auto own = request_number_;
      handle_line(rest, now);
      if (own != request_number_)
        return;
    }
  }
  bool useful = events_in_watch_ > 0 || now - request_started_ >= shortest_useful_watch;
  if (useful && phase_ == phase::watching)
    progressed();
  auto then = phase_ == phase::watch_listing ? next_step::collect : next_step::watch;
  if (!useful) {
    ++counts_.failures;
    wait(delays_.next(), then);
  } else if (then == next_step::watch) {
    begin_watch(now);
  } else {
    wait(delays_.next(), then);
  }
}

void reflector_state::handle_line(std::string_view line, timestamp now) {
  auto read = reader_.read_line(line);
  if (!read) {
    // What the line was about is unknown, so in initial events it might be an object that is taken for gone.
    all_identified_ = false;
    broken(read.error());
    return;
  }
  if (read->type == "ERROR") {
    handle_error_event(*read, now);
    return;
  }
  ++events_in_watch_;
  if (!collecting_)
    progressed();
  if (!read->meta.resource_version.empty())
    resource_version_ = read->meta.resource_version;
  if (read->type == "ADDED" || read->type == "MODIFIED") {
    object_seen(read->type == "ADDED" ? watch_type::added : watch_type::modified, read->object_json,
                read->meta, now);
  } else if (read->type == "DELETED") {
    object_deleted(read->object_json, read->meta, now);
  } else if (read->type == "BOOKMARK") {
    sink_.on_bookmark(resource_, read->object_json, now);
    if (!collecting_)
      sink_.on_position(resource_, resource_version_);
    if (phase_ == phase::watch_listing && read->meta.initial_events_end) {
      phase_ = phase::watching;
      ++counts_.watches;
      collected(now);
      report(reflector_status::watching);
    }
  } else {
    broken({read->meta.key(), "has the unknown watch event type " + read->type.substr(0, 32)});
  }
}

void reflector_state::handle_item(std::string_view item, timestamp now) {
  auto meta = reader_.read_object(item);
  if (!meta) {
    if (auto found = known_.find(meta.error().key); found != known_.end())
      found->second.round = round_;
    else if (meta.error().key.empty())
      all_identified_ = false; // it may be any that we know
    broken(meta.error());
    return;
  }
  if (meta->has_kind && meta->has_api_version) {
    object_seen(watch_type::added, item, *meta, now);
    return;
  }
  auto typed = with_type(item, meta->has_kind ? std::string_view{} : resource_.kind,
                         meta->has_api_version ? std::string{} : resource_.api_version());
  object_seen(watch_type::added, typed, *meta, now);
}

void reflector_state::handle_error_event(const watch_line& line, timestamp now) {
  port_.cancel_request();
  ++request_number_;
  ++counts_.failures;
  auto code = line.error_code != 0 ? line.error_code : 500;
  auto message = "watch error " + std::to_string(code);
  if (!line.error_message.empty())
    message += ": " + line.error_message;
  std::optional<std::chrono::seconds> retry_after;
  if (line.retry_after_seconds > 0)
    retry_after = std::chrono::seconds{line.retry_after_seconds};
  status_failed(code, message, retry_after, now);
}

// -- failures -----------------------------------------------------------------

void reflector_state::request_failed(const reflector_reply& reply, timestamp now) {
  ++counts_.failures;
  if (phase_ == phase::watching && is_success(http_status_) && now - request_started_ >= longest_settling)
    progressed();
  auto then = collecting_ ? next_step::collect : next_step::watch;
  // A watch that breaks once is the usual course of things: nobody needs to hear of it.
  bool usual = reply.interrupted && phase_ == phase::watching && delays_.steps() == 0;
  if (!usual)
    report(reflector_status::failing, reply.failure);
  wait(delays_.next(options_.longest_unreachable_delay), then);
}

void reflector_state::status_failed(int status, const std::string& message,
                                    std::optional<duration> retry_after, timestamp now) {
  auto then = collecting_ ? next_step::collect : next_step::watch;
  if (status == 410) {
    expired(now);
    return;
  }
  if (status == 404) {
    gone_absent(message);
    return;
  }
  if (status == 403) {
    report(reflector_status::forbidden, message);
    wait(forbidden_delays_.next(), then);
    return;
  }
  if (phase_ == phase::watch_listing && (status == 400 || status == 422)) {
    leave_watch_list(now);
    return;
  }
  auto delay = delays_.next();
  if (retry_after)
    delay = std::max(delay, std::min(*retry_after, options_.longest_retry_after));
  else if (status == 401 && delays_.steps() == 1)
    delay = 0s; // the driver renews its credentials
  // A resourceVersion that the server does not understand (it was restored from a backup, say) would fail for
  // ever.
  if (then == next_step::watch && status != 429 && status != 401 &&
      ++failed_watches_ >= failed_watches_before_list)
    then = next_step::collect;
  report(reflector_status::failing, message);
  wait(delay, then);
}

/// The resourceVersion or the continue token is too old: only the present state is left.
void reflector_state::expired(timestamp now) {
  ++counts_.expired;
  continue_.clear();
  if (std::exchange(expired_before_, true)) {
    wait(delays_.next(), next_step::collect);
    return;
  }
  begin_collecting(now);
}

void reflector_state::gone_absent(const std::string& reason) {
  report(reflector_status::absent, reason);
  wait(absent_delays_.next(), next_step::resolve);
}

/// The server does not know WatchList, or knows it and does not finish it.
void reflector_state::leave_watch_list(timestamp now) {
  watch_list_ = false;
  --counts_.lists; // the same list, asked for in another way
  begin_collecting(now);
}

void reflector_state::wait(duration delay, next_step then) {
  phase_ = phase::waiting;
  ++request_number_;
  next_ = then;
  port_.set_timer(delay);
}

void reflector_state::on_timer(timestamp now) {
  if (phase_ == phase::watch_listing) {
    auto silent = now - last_data_;
    if (silent < options_.watch_list_patience) {
      port_.set_timer(options_.watch_list_patience - silent);
      return;
    }
    port_.cancel_request();
    leave_watch_list(now);
    return;
  }
  if (phase_ == phase::watching) {
    synced_now();
    return;
  }
  if (phase_ != phase::waiting)
    return;
  switch (next_) {
  case next_step::resolve:
    resolve_now();
    return;
  case next_step::collect:
    // An interrupted list goes on with its page. Initial events begin again.
    if (collecting_ && !watch_list_ && !continue_.empty())
      request_page();
    else
      begin_collecting(now);
    return;
  case next_step::watch:
    begin_watch(now);
    return;
  }
}

// -- objects ------------------------------------------------------------------

void reflector_state::object_seen(watch_type type, std::string_view json, const object_meta& meta,
                                  timestamp now) {
  auto key = meta.key();
  auto found = known_.find(key);
  if (found != known_.end() && found->second.uid != meta.uid) {
    // Another object of that name: the end of the first was missed.
    auto gone = known_.extract(found);
    tell_missed_deletion(gone.mapped(), now);
    found = known_.end();
  }
  bool is_known = found != known_.end();
  auto& entry = is_known ? found->second : known_[key];
  entry.round = round_;
  if (is_known && entry.resource_version == meta.resource_version) {
    ++counts_.unchanged;
    return;
  }
  entry.uid = meta.uid;
  entry.resource_version = meta.resource_version;
  entry.metadata = meta.compact;
  if (collecting_)
    type = is_known ? watch_type::modified : watch_type::added;
  deliver(type, json, key, now,
          !synced_ && !remembers_ ? arrival::first_list
          : collecting_           ? arrival::later_list
                                  : arrival::live);
}

void reflector_state::object_deleted(std::string_view json, const object_meta& meta, timestamp now) {
  auto key = meta.key();
  auto found = known_.find(key);
  if (found == known_.end() || found->second.uid != meta.uid)
    return; // its end has been told already
  known_.erase(found);
  deliver(watch_type::deleted, json, key, now, arrival::live);
}

void reflector_state::tell_missed_deletion(const known_object& gone, timestamp now) {
  ++counts_.synthetic;
  auto json = with_type("{\"metadata\":" + gone.metadata + "}", resource_.kind, resource_.api_version());
  deliver(watch_type::deleted, json, gone.uid, now, arrival::later_list);
}

void reflector_state::deliver(watch_type type, std::string_view json, const std::string& key, timestamp now,
                              arrival how) {
  ++counts_.delivered;
  try {
    sink_.on_object(resource_, type, json, now, how);
  } catch (const std::exception& error) {
    // An object that its receiver cannot bear must not end the watch for all the others.
    broken({key, std::string{"was refused by its receiver: "} + error.what()});
  }
}

void reflector_state::broken(const object_problem& problem) {
  ++counts_.broken;
  sink_.on_error(resource_, problem.key, problem.problem);
}

/// A status is told when it changes, not each time it is met again; a failure also when its cause changes.
void reflector_state::report(reflector_status status, const std::string& reason) {
  bool same_cause = status == reflector_status::absent || status == reflector_status::forbidden ||
                    without_digits(reason) == without_digits(reason_);
  if (status == status_ && same_cause)
    return;
  status_ = status;
  reason_ = reason;
  sink_.on_state(resource_, status, reason);
}

/// Something worked: the next failure starts with short delays again.
void reflector_state::progressed() {
  delays_.reset();
  forbidden_delays_.reset();
  absent_delays_.reset();
  failed_watches_ = 0;
  expired_before_ = false;
}

} // namespace tc::kube
