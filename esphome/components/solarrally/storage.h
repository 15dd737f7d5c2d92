#pragma once

#include <string>

#include "frame_log_logic.h"

namespace esphome::solarrally {

/// A folder, by the POSIX calls that both the ESP32's FAT and the host understand.
class FolderStorage : public ::evstation::Storage {
 public:
  explicit FolderStorage(std::string folder) : folder_(std::move(folder)) {}

  bool ready() override;
  bool list(std::map<std::string, int64_t> *files) override;
  bool append(const std::string &name, std::string_view data) override;
  bool read(const std::string &name, int64_t offset, size_t size, std::string *data) override;
  bool replace(const std::string &name, std::string_view data) override;
  bool remove(const std::string &name) override;
  int64_t free_bytes() override;

 protected:
  std::string path_(const std::string &name) const { return this->folder_ + "/" + name; }
  std::string folder_;
};

/// Mount the SD card at `folder`; nothing on the host, where it is a directory.
/// @return whether there is a card
bool mount_card(const std::string &folder, int clk_pin, int mosi_pin, int miso_pin, int cs_pin);

}  // namespace esphome::solarrally
