#include "data/image_folder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include "core/parallel.h"
#include "data/image_file.h"
#include "data/safetensors.h"

namespace imago::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxClasses = 256;  // a label is a byte

// ---- what there is ----

struct Listing {
  std::vector<std::string> files;    // below the folder, sorted
  std::vector<std::string> classes;  // sorted
  int64_t other_files = 0;
  uint64_t key = 0xcbf29ce484222325u;  // of names, sizes and times of change: FNV-1a (Fowler, Noll, Vo 1991)
};

void mix(uint64_t& key, std::string_view bytes) {
  for (const char byte : bytes) key = (key ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  key = (key ^ 0xffu) * 0x100000001b3u;  // "ab" and "c" are not "a" and "bc"
}

bool is_picture(const fs::path& file) {
  std::string suffix = file.extension().string();
  for (char& c : suffix) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png";
}

// The first folder of "danaus_plexippus/0010001.jpg"; "" for a file of the top level.
std::string class_of(const std::string& file) {
  const size_t slash = file.find('/');
  return slash == std::string::npos ? "" : file.substr(0, slash);
}

// Lists the pictures below `start`, with their names below `folder`, and the links to folders among them.
void list_tree(const fs::path& folder, const fs::path& start, std::set<fs::path>& seen, std::set<fs::path>& links,
               Listing& listing) {
  std::error_code error;
  fs::recursive_directory_iterator it(start, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const bool hidden = it->path().filename().string().starts_with(".");
    if (it->is_directory(error)) {
      const bool link = it->is_symlink();
      if (link && !hidden) links.insert(it->path());
      if (link || hidden || !seen.insert(fs::canonical(it->path(), error)).second) it.disable_recursion_pending();
    } else if (!hidden && is_picture(it->path())) {
      listing.files.push_back(it->path().lexically_relative(folder).generic_string());
    } else if (!hidden) {
      ++listing.other_files;
    }
  }
  IMAGO_CHECK(!error, "image folder: cannot read ", start.string(), ": ", error.message());
}

void list_files(const fs::path& folder, Listing& listing) {
  std::error_code error;
  IMAGO_CHECK(fs::is_directory(folder, error), "image folder: there is no folder ", folder.string());
  // Links may lead in circles, so no folder is listed twice. What they lead to comes behind what is really there, and
  // sorted: what a picture is called must not depend on the order that the system lists a folder in.
  std::set<fs::path> seen;
  for (std::set<fs::path> starts = {folder}, links; !starts.empty(); starts = std::exchange(links, {}))
    for (const fs::path& start : starts)
      if (seen.insert(fs::canonical(start, error)).second) list_tree(folder, start, seen, links, listing);
}

Listing list(const fs::path& folder, const ImageFolderOptions& options) {
  Listing out;
  list_files(folder, out);
  IMAGO_CHECK(!out.files.empty(), "image folder: there is no .jpg, .jpeg or .png file in ", folder.string(),
              out.other_files ? " or below it, only others" : " or below it");
  std::sort(out.files.begin(), out.files.end());
  for (const std::string& file : out.files) out.classes.push_back(class_of(file));
  std::sort(out.classes.begin(), out.classes.end());
  out.classes.erase(std::unique(out.classes.begin(), out.classes.end()), out.classes.end());
  if (out.classes.front().empty()) out.classes.clear();  // pictures beside the sub-folders: these mean something else

  mix(out.key, "imago image folder 1");
  mix(out.key, std::to_string(options.resolution) + " " + std::to_string(options.channels) + " " +
                   std::to_string(static_cast<int>(options.fit)));
  for (const std::string& file : out.files) {
    std::error_code ignored;  // what cannot be read is reported when it is decoded
    mix(out.key, file);
    mix(out.key, std::to_string(fs::file_size(folder / file, ignored)));
    mix(out.key, std::to_string(fs::last_write_time(folder / file, ignored).time_since_epoch().count()));
  }
  return out;
}

// ---- the pictures ----

// Decodes all files into `images`; why[i] says what is wrong with file i, or nothing.
std::vector<std::string> decode(const fs::path& folder, const Listing& listing, const ImageFolderOptions& options,
                                uint8_t* images, int64_t bytes_each) {
  const auto N = static_cast<int64_t>(listing.files.size());
  std::vector<std::string> why(listing.files.size());
  const int64_t portion = int64_t{32} * thread_count();  // between two calls of progress
  for (int64_t begin = 0; begin < N; begin += portion) {
    parallel_for(std::min(portion, N - begin), [&](int64_t k) {
      const int64_t i = begin + k;
      const fs::path file = folder / listing.files[static_cast<size_t>(i)];
      try {
        const Tensor picture = read_image(file, options.channels);
        const Tensor square = fit_square(picture, options.resolution, options.fit);
        std::memcpy(images + i * bytes_each, square.data<uint8_t>(), static_cast<size_t>(bytes_each));
      } catch (const Error& error) {
        const std::string what = error.what();
        const bool names_it = what.find(file.string()) != std::string::npos;
        why[static_cast<size_t>(i)] = names_it ? what : concat(file.string(), ": ", what);
      }
    });
    if (options.progress) options.progress(std::min(begin + portion, N), N);
  }
  return why;
}

// Leaves out what could not be read.
ImageFolder keep_good(const fs::path& folder, const Listing& listing, const Tensor& images, int64_t bytes_each,
                      std::vector<std::string> why) {
  ImageFolder out{
      .dataset = {}, .classes = listing.classes, .files = {}, .skipped = {}, .other_files = listing.other_files};
  uint8_t* bytes = images.data<uint8_t>();
  int64_t kept = 0;
  for (size_t i = 0; i < why.size(); ++i) {
    if (!why[i].empty()) {
      out.skipped.push_back({listing.files[i], std::move(why[i])});
      continue;
    }
    std::memmove(bytes + kept++ * bytes_each, bytes + static_cast<int64_t>(i) * bytes_each,
                 static_cast<size_t>(bytes_each));
    out.files.push_back(listing.files[i]);
  }
  IMAGO_CHECK(kept > 0, "image folder: none of the ", why.size(), " pictures in ", folder.string(),
              " can be read; the first: ", out.skipped.front().why);
  out.dataset.images = images.slice(0, kept);
  return out;
}

void label(ImageFolder& folder) {
  const auto classes = static_cast<int64_t>(folder.classes.size());
  if (classes == 0 || classes > kMaxClasses) return;
  folder.dataset.labels = Tensor({folder.dataset.size()}, DType::u8, Device::cpu);
  uint8_t* out = folder.dataset.labels.data<uint8_t>();
  for (const std::string& file : folder.files)
    *out++ = static_cast<uint8_t>(std::lower_bound(folder.classes.begin(), folder.classes.end(), class_of(file)) -
                                  folder.classes.begin());
}

// ---- the cache ----
// One safetensors file: the images, and names as bytes, each ended by a zero, since file names need not be UTF-8.

Tensor packed(const std::vector<std::string>& names) {
  std::string bytes;
  for (const std::string& name : names) bytes.append(name).push_back('\0');
  return Tensor::from(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()),
                      {static_cast<int64_t>(bytes.size())}, Device::cpu);
}
std::vector<std::string> unpacked(const Tensor& bytes) {
  std::vector<std::string> names;
  std::string_view rest(reinterpret_cast<const char*>(bytes.data<uint8_t>()), bytes.bytes());
  for (size_t end = rest.find('\0'); end != std::string_view::npos; end = rest.find('\0')) {
    names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return names;
}

std::string file_name(uint64_t key) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (size_t i = 0; i < 16; ++i) name[15 - i] = kDigits[key >> (4 * i) & 15];
  return "images-" + name + ".safetensors";
}

void save_cache(const fs::path& path, const ImageFolder& folder) {
  std::vector<std::string> skipped, why;
  for (const ImageFolder::Skipped& s : folder.skipped) skipped.push_back(s.file), why.push_back(s.why);
  try {
    fs::create_directories(path.parent_path());
    save_safetensors(path, {{"images", folder.dataset.images},
                            {"files", packed(folder.files)},
                            {"skipped", packed(skipped)},
                            {"why", packed(why)}});
  } catch (const std::exception&) {  // a full disk, say: then the next start decodes again
  }
}

// Whether the file is there and whole; the key in its name vouches for what it holds.
bool load_cache(const fs::path& path, const Shape& image, ImageFolder& out) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return false;
  try {
    const SafetensorsFile file = SafetensorsFile::open(path);
    out.dataset.images = file.load("images");
    out.files = unpacked(file.load("files"));
    const std::vector<std::string> skipped = unpacked(file.load("skipped")), why = unpacked(file.load("why"));
    for (size_t i = 0; i < skipped.size(); ++i) out.skipped.push_back({skipped[i], why.at(i)});
    return out.dataset.images.shape() == image.inserted(0, static_cast<int64_t>(out.files.size()));
  } catch (const std::exception&) {  // damaged: as if it were not there
    return false;
  }
}

}  // namespace

ImageFolder load_image_folder(const fs::path& folder, const ImageFolderOptions& options) {
  IMAGO_CHECK(options.resolution >= 1 && options.resolution <= 4096,
              "image folder: resolution must be from 1 to 4096, got ", options.resolution);
  IMAGO_CHECK(options.channels == 1 || options.channels == 3, "image folder: channels must be 1 or 3, got ",
              options.channels);
  const Listing listing = list(folder, options);
  const Shape image = {options.resolution, options.resolution, options.channels};
  const fs::path cache = options.cache.empty() ? fs::path() : options.cache / file_name(listing.key);
  ImageFolder out{.dataset = {},
                  .classes = listing.classes,
                  .files = {},
                  .skipped = {},
                  .other_files = listing.other_files,
                  .from_cache = true};
  if (cache.empty() || !load_cache(cache, image, out)) {
    const Tensor images(image.inserted(0, static_cast<int64_t>(listing.files.size())), DType::u8, Device::cpu);
    std::vector<std::string> why = decode(folder, listing, options, images.data<uint8_t>(), image.numel());
    out = keep_good(folder, listing, images, image.numel(), std::move(why));
    if (!cache.empty()) save_cache(cache, out);
  }
  label(out);
  return out;
}

fs::path default_image_cache() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return fs::path(cache) / "imago";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache" / "imago";
  return {};
}

}  // namespace imago::data
