#include "clock_logic.h"
#include "json_logic.h"
#include "message_logic.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace evstation;

TEST(Json, WritesCompactly) {
  JsonWriter json;
  json.begin_object()
      .text("a", "b\"\\\n")
      .number("n", 231.4)
      .number("z", -0.0001)
      .number("w", 12.0)
      .number("x", NAN)
      .begin_array("l")
      .text(nullptr, "1")
      .integer(nullptr, 2)
      .end_array()
      .begin_object("o")
      .end_object()
      .boolean("t", true)
      .end_object();
  EXPECT_EQ(json.str(), R"({"a":"b\"\\\u000a","n":231.4,"z":0,"w":12,"x":null,"l":["1",2],"o":{},"t":true})");
}

TEST(Json, KeepsThreeDecimalsOfLargeNumbers) {
  JsonWriter json;
  json.begin_array().number(nullptr, 9999999999.125).number(nullptr, 1000.0).end_array();
  EXPECT_EQ(json.str(), "[9999999999.125,1000]");
}

TEST(Json, ReadsWhatIsJson) {
  JsonValue value;
  ASSERT_TRUE(parse_json(R"( {"a":[1,-2.5e1,"\u00e4\ud83d\ude00"],"b":null,"c":false} )", &value));
  EXPECT_EQ(value.member("a")->items[1].number, -25.0);
  EXPECT_EQ(value.member("a")->items[2].text, "ä😀");
  EXPECT_TRUE(value.member("b")->is_null());
}

TEST(Json, RefusesWhatIsNot) {
  for (const char *text :
       {"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "nul", "tru", "01", "1.", ".5", "+1", "1e", "NaN", "Infinity", "1e999",
        "\"\x01\"", "\"\\x\"", "\"\\ud800\"", "\"\\udc00\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xff\"", "\"", "[1 2]",
        "{} {}", "[[[[[[[[[[1]]]]]]]]]]"}) {
    JsonValue value;
    EXPECT_FALSE(parse_json(text, &value)) << text;
  }
}

TEST(Clock, FormatsAndReadsTheSameTime) {
  for (const int64_t ms : {int64_t{0}, int64_t{951782400000}, int64_t{1582934400123}, int64_t{1795426200999},
                           int64_t{4102444799999}}) {
    int64_t read = -1;
    ASSERT_TRUE(parse_utc(format_utc(ms), &read)) << format_utc(ms);
    EXPECT_EQ(read, ms);
  }
  EXPECT_EQ(format_utc(1795426200000), "2026-11-23T09:30:00.000Z");
  EXPECT_EQ(format_day(1795426200000), "20261123");
  EXPECT_EQ(format_utc(1582934400000), "2020-02-29T00:00:00.000Z");
}

TEST(Clock, ReadsOffsetsAndFractions) {
  int64_t ms = 0;
  ASSERT_TRUE(parse_utc("2026-11-23T10:30:00+01:00", &ms));
  EXPECT_EQ(ms, 1795426200000);
  ASSERT_TRUE(parse_utc("2026-11-23t09:30:00.1239z", &ms));
  EXPECT_EQ(ms, 1795426200123);
}

TEST(Clock, RefusesTimesThatAreNone) {
  int64_t ms = 0;
  for (const char *text : {"", "2026-11-23", "2026-11-23T09:30:00", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
                           "2026-11-23T24:00:00Z", "2026-11-23T09:30:00.Z", "2026-11-23T09:30:00Zx", "yesterday",
                           "2026-11-23T09:30:00+25:00", "2026-11-23T09:30:00.1234567890Z"})
    EXPECT_FALSE(parse_utc(text, &ms)) << text;
}

TEST(Clock, CorrectsWhatItEstimated) {
  Clock clock;
  clock.estimate(1000, 1700000000000);
  EXPECT_EQ(clock.utc(2000), 1700000001000);
  EXPECT_TRUE(clock.sync(5000, 1795426200000));
  EXPECT_FALSE(clock.sync(6000, 1795426201000));
  EXPECT_EQ(clock.utc(2000), 1795426197000);
  EXPECT_EQ(clock.utc(2000), 1700000001000 + clock.correction_ms());
}

TEST(Clock, ATimeThatWasToldDoesNotWaver) {
  Clock clock;
  clock.sync(5000, 1795426200000);
  clock.sync(6000, 1795426201001);
  EXPECT_EQ(clock.utc(2000), 1795426197000) << "a millisecond is the reading of two clocks";
  clock.sync(7000, 1795426202000 - CLOCK_SLACK_MS);
  EXPECT_EQ(clock.utc(2000), 1795426197000);
  clock.sync(8000, 1795426203001 + CLOCK_SLACK_MS);
  EXPECT_EQ(clock.utc(2000), 1795426197001 + CLOCK_SLACK_MS) << "a clock that was set is followed";
}

TEST(Message, AnEstimatedFrameIsCorrected) {
  const std::string frame =
      R"({"station":"a","boot":1,"seq":2,"timestamp":"2026-11-23T09:30:00.000Z","V":0,"session":null,"clock":"estimated"})";
  const std::string expected =
      R"({"station":"a","boot":1,"seq":2,"timestamp":"2026-11-23T09:31:00.500Z","V":0,"session":null,"clock":"synced"})";
  EXPECT_EQ(corrected_frame(frame, 60500), expected);
  EXPECT_EQ(corrected_frame(expected, 60500), expected) << "a synced frame is left alone";
  EXPECT_EQ(corrected_frame("{}", 60500), "{}");
}

TEST(Message, AStationWaitsForItsMetersUntilTheyHaveSpokenOrAreSilent) {
  StationSettings settings;
  Station station(settings);
  station.begin(1, nullptr);
  StationInputs inputs;
  station.step(inputs);
  EXPECT_FALSE(has_frame(station)) << "after a boot a frame without registers would hide what flowed before";
  station.feed(GRID, 0, {230.0f, 0.0f, 0.0f, 100.0, true});
  EXPECT_FALSE(has_frame(station)) << "solar has not spoken";
  inputs.now_ms = settings.meters[SOLAR].silent_after_ms;
  station.step(inputs);
  EXPECT_TRUE(has_frame(station)) << "nor will it";
}

TEST(Message, AStationWithoutReadingsSaysSo) {
  StationSettings settings;
  Station station(settings);
  station.begin(1, nullptr);
  Identity identity;
  identity.station = "a";
  identity.boot = 3;
  Clock clock;
  clock.sync(0, 1795426200000);
  EXPECT_EQ(frame_json(station, identity, clock, 0, 9),
            R"({"station":"a","boot":3,"seq":9,"timestamp":"2026-11-23T09:30:00.000Z","V":0,"I":0,"P":0,"source":"none",)"
            R"("session":null,"clock":"synced"})");
}

TEST(Rhythm, IdleIsTenSecondsAndAChangeIsAtOnce) {
  StationSettings settings;
  settings.meters[SOLAR].silent_after_ms = settings.meters[GRID].silent_after_ms = 25000;
  Station station(settings);
  station.begin(1, nullptr);
  Rhythm rhythm;
  int frames = 0;
  StationInputs inputs;
  for (int i = 0; i < SOURCES; i++)
    station.feed(i, 0, {230.0f, 0.0f, 0.0f, 0.0, true});
  for (; inputs.now_ms < 20001; inputs.now_ms += 10) {
    station.step(inputs);
    frames += rhythm.due(inputs.now_ms, station);
  }
  EXPECT_EQ(frames, 3);
  for (; inputs.now_ms < 26000; inputs.now_ms += 10) {
    station.step(inputs);
    frames += rhythm.due(inputs.now_ms, station);
  }
  EXPECT_EQ(frames, 4) << "the meters fell silent";
}
