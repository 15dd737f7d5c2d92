#include "esphome/core/defines.h"
#ifdef USE_SOLARRALLY_LOG

#include "storage.h"

#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef USE_ESP32
#include <driver/sdspi_host.h>
#include <driver/spi_common.h>
#include <esp_vfs_fat.h>
#include <sdmmc_cmd.h>
#else
#include <sys/statvfs.h>
#endif

namespace esphome::solarrally {

bool FolderStorage::ready() {
  // Reading the folder reaches the card; a mount point alone would be there without one.
  DIR *folder = opendir(this->folder_.c_str());
  if (folder == nullptr)
    return this->mount_();
  errno = 0;
  readdir(folder);
  const bool readable = errno == 0;
  closedir(folder);
  return readable || this->mount_();
}

bool FolderStorage::list(std::map<std::string, int64_t> *files) {
  DIR *folder = opendir(this->folder_.c_str());
  if (folder == nullptr)
    return false;
  bool whole = false;
  while (true) {
    errno = 0;
    const dirent *entry = readdir(folder);
    if (entry == nullptr) {
      whole = errno == 0;
      break;
    }
    struct stat info {};
    const std::string name = entry->d_name;
    if (stat(this->path_(name).c_str(), &info) != 0) {
      (*files)[name] = -1;
    } else if (S_ISREG(info.st_mode)) {
      (*files)[name] = info.st_size;
    }
  }
  closedir(folder);
  return whole;
}

static bool write_file(const std::string &path, const char *mode, std::string_view data) {
  FILE *file = fopen(path.c_str(), mode);
  if (file == nullptr)
    return false;
  bool done = fwrite(data.data(), 1, data.size(), file) == data.size();
  done = fflush(file) == 0 && done;
  done = fsync(fileno(file)) == 0 && done;
  return fclose(file) == 0 && done;
}

bool FolderStorage::append(const std::string &name, std::string_view data) {
  return write_file(this->path_(name), "ab", data);
}

bool FolderStorage::read(const std::string &name, int64_t offset, size_t size, std::string *data) {
  data->clear();
  FILE *file = fopen(this->path_(name).c_str(), "rb");
  if (file == nullptr)
    return false;
  bool done = fseek(file, static_cast<long>(offset), SEEK_SET) == 0;
  if (done) {
    data->resize(size);
    data->resize(fread(data->data(), 1, size, file));
    done = ferror(file) == 0;
  }
  fclose(file);
  return done;
}

bool FolderStorage::replace(const std::string &name, std::string_view data) {
  const std::string fresh = this->path_(name) + ".new";
  if (!write_file(fresh, "wb", data))
    return false;
  // FAT renames onto nothing only. A power cut in between loses the file, and frames are sent twice.
  if (rename(fresh.c_str(), this->path_(name).c_str()) == 0)
    return true;
  unlink(this->path_(name).c_str());
  return rename(fresh.c_str(), this->path_(name).c_str()) == 0;
}

bool FolderStorage::remove(const std::string &name) { return unlink(this->path_(name).c_str()) == 0; }

int64_t FolderStorage::free_bytes() {
#ifdef USE_ESP32
  uint64_t total = 0;
  uint64_t free = 0;
  return esp_vfs_fat_info(this->folder_.c_str(), &total, &free) == ESP_OK ? static_cast<int64_t>(free) : 0;
#else
  struct statvfs info {};
  if (statvfs(this->folder_.c_str(), &info) != 0)
    return 0;
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
#endif
}

#ifdef USE_ESP32
bool FolderStorage::mount_() {
  static bool bus_ready = false;
  sdmmc_host_t host = SDSPI_HOST_DEFAULT();
  if (!bus_ready) {
    spi_bus_config_t bus{};
    bus.mosi_io_num = this->pins_.mosi;
    bus.miso_io_num = this->pins_.miso;
    bus.sclk_io_num = this->pins_.clk;
    bus.quadwp_io_num = -1;
    bus.quadhd_io_num = -1;
    bus.max_transfer_sz = 4000;
    bus_ready = spi_bus_initialize(static_cast<spi_host_device_t>(host.slot), &bus, SDSPI_DEFAULT_DMA) == ESP_OK;
  }
  if (this->card_ != nullptr) {
    // The card that was there does not answer any more.
    esp_vfs_fat_sdcard_unmount(this->folder_.c_str(), static_cast<sdmmc_card_t *>(this->card_));
    this->card_ = nullptr;
  }
  sdspi_device_config_t slot = SDSPI_DEVICE_CONFIG_DEFAULT();
  slot.gpio_cs = static_cast<gpio_num_t>(this->pins_.cs);
  slot.host_id = static_cast<spi_host_device_t>(host.slot);
  esp_vfs_fat_sdmmc_mount_config_t mount{};
  mount.format_if_mount_failed = false;
  mount.max_files = 4;
  sdmmc_card_t *card = nullptr;
  if (!bus_ready || esp_vfs_fat_sdspi_mount(this->folder_.c_str(), &host, &slot, &mount, &card) != ESP_OK)
    return false;
  this->card_ = card;
  return true;
}
#else
bool FolderStorage::mount_() { return false; }
#endif

}  // namespace esphome::solarrally

#endif
