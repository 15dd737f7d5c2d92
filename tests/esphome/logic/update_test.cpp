#include "update_logic.h"

#include <gtest/gtest.h>

using namespace evstation;

TEST(Update, FindsTheHostOfAUrl) {
  EXPECT_EQ(host_of("https://Home.Local/firmware/1.bin"), "home.local");
  EXPECT_EQ(host_of("http://192.168.1.5:8123/local/f.bin"), "192.168.1.5");
  EXPECT_EQ(host_of("http://h?x"), "h");
}

TEST(Update, AUrlThatHidesItsHostHasNone) {
  for (const char *url :
       {"", "h", "ftp://h/f", "HTTP://h/f", "http://", "http:///f", "http://good@evil/f", "http://good:1@evil/f",
        "http://good\\@evil/f", "http://h:/f", "http://h:80x/f", "http://h:123456/f", "http://h/a b", "http://h/a\r\nX:1",
        "http://[::1]/f", "http://good%2eevil/f", "http://h\n/f"})
    EXPECT_EQ(host_of(url), "") << url;
}

TEST(Update, AllowsListedHostsOnly) {
  const std::vector<std::string> hosts{"home.local", "10.0.0.2"};
  EXPECT_TRUE(is_allowed_host("https://home.local/f", hosts));
  EXPECT_TRUE(is_allowed_host("http://10.0.0.2:80/f", hosts));
  EXPECT_FALSE(is_allowed_host("https://home.local.evil/f", hosts));
  EXPECT_FALSE(is_allowed_host("https://xhome.local/f", hosts));
  EXPECT_FALSE(is_allowed_host("https://evil/home.local", hosts));
  EXPECT_FALSE(is_allowed_host("rubbish", {""}));
}

TEST(Update, ComparesVersionsByNumber) {
  EXPECT_TRUE(is_older("0.9.0", "0.10"));
  EXPECT_TRUE(is_older("1", "1.0.1"));
  EXPECT_FALSE(is_older("1.0", "1"));
  EXPECT_FALSE(is_older("1", "1.0"));
  EXPECT_FALSE(is_older("2", "1.9.9"));
}

TEST(Update, KnowsAVersionThatCanBeCompared) {
  for (const char *version : {"0", "1.2.3", "2026.11", "999999999"})
    EXPECT_TRUE(is_version(version)) << version;
  for (const char *version : {"", ".", "1.", ".1", "1..2", "v1", "1.2-rc1", "1.2 ", "1234567890", "-1"})
    EXPECT_FALSE(is_version(version)) << version;
}

TEST(Update, ComesToAnEnd) {
  EXPECT_FALSE(is_overdue(5000, 5000));
  EXPECT_FALSE(is_overdue(5000, 5000 + UPDATE_DEADLINE_MS - 1));
  EXPECT_TRUE(is_overdue(5000, 5000 + UPDATE_DEADLINE_MS));
}

TEST(Update, ReadsTheVersionOfAnEsp32Image) {
  std::vector<uint8_t> image(APP_VERSION_END, 0);
  image[0] = 0xE9;
  const uint8_t magic[] = {0x32, 0x54, 0xCD, 0xAB};
  std::copy(std::begin(magic), std::end(magic), image.begin() + 32);
  const std::string version = "1.2.3";
  std::copy(version.begin(), version.end(), image.begin() + 48);
  EXPECT_EQ(image_version(image.data(), image.size()), "1.2.3");
  EXPECT_EQ(image_version(image.data(), image.size() - 1), "") << "too short";
  image[48] = 'v';
  EXPECT_EQ(image_version(image.data(), image.size()), "") << "no version";
  image[48] = '1';
  image[35] = 0;
  EXPECT_EQ(image_version(image.data(), image.size()), "") << "no description";
  image[35] = 0xAB;
  image[0] = 0x7F;
  EXPECT_EQ(image_version(image.data(), image.size()), "") << "no image";
}
