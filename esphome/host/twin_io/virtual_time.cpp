#ifdef USE_HOST

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// Time that a bench drives, so that an hour of weather takes seconds: the linker puts these in the place of the calls
// of the same names (`--wrap`). Without SOLARRALLY_TIME, the name of a file that a bench shares, they are the real ones.

namespace {

constexpr uint64_t SECOND_NS = 1000000000;

/// The main loop and the control task.
constexpr int TASKS = 2;

/// What the bench and the twin share. The bench moves `now_ns` on while all tasks of the twin sleep.
struct Shared {
  std::atomic<uint64_t> now_ns;
  /// What must be added to make it UTC.
  std::atomic<uint64_t> wall_offset_ns;
  /// Until when each task sleeps; 0 while it runs, and the end of all time when there is none.
  std::atomic<uint64_t> asleep_until_ns[TASKS];
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

Shared *open_shared() {
  const char *name = getenv("SOLARRALLY_TIME");
  if (name == nullptr)
    return nullptr;
  const int file = open(name, O_RDWR | O_CLOEXEC);
  void *memory = file < 0 ? MAP_FAILED : mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    fprintf(stderr, "SOLARRALLY_TIME: %s cannot be shared\n", name);
    exit(2);
  }
  close(file);
  auto *const shared = static_cast<Shared *>(memory);
  // What a twin that lost its power has left there is not of this one. In safe mode there is no control task.
  for (int task = 1; task < TASKS; task++)
    shared->asleep_until_ns[task] = UINT64_MAX;
  shared->asleep_until_ns[0] = 0;
  return shared;
}

Shared *shared() {
  static Shared *const SHARED = open_shared();
  return SHARED;
}

/// The place of the task that calls. The main loop is the first to sleep.
std::atomic<uint64_t> &asleep_until() {
  static std::atomic<int> tasks{0};
  thread_local const int TASK = tasks++ % TASKS;
  return shared()->asleep_until_ns[TASK];
}

/// How long the card takes for each write, so that tests may have a slow one.
long card_delay_ms() {
  const char *const delay = getenv("SOLARRALLY_CARD_DELAY_MS");
  return delay == nullptr ? 0 : atol(delay);
}

}  // namespace

extern "C" {

int __real_clock_gettime(clockid_t clock, timespec *time);
int __real_gettimeofday(timeval *time, void *zone);
time_t __real_time(time_t *time);
int __real_nanosleep(const timespec *time, timespec *left);
int __real_fsync(int file);
int __real_select(int count, fd_set *read, fd_set *write, fd_set *error, timeval *timeout);

int __wrap_clock_gettime(clockid_t clock, timespec *time) {
  if (shared() == nullptr || (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME))
    return __real_clock_gettime(clock, time);
  const uint64_t now_ns = shared()->now_ns + (clock == CLOCK_REALTIME ? shared()->wall_offset_ns.load() : 0);
  time->tv_sec = static_cast<time_t>(now_ns / SECOND_NS);
  time->tv_nsec = static_cast<long>(now_ns % SECOND_NS);
  return 0;
}

int __wrap_gettimeofday(timeval *time, void *zone) {
  if (shared() == nullptr)
    return __real_gettimeofday(time, zone);
  timespec now{};
  __wrap_clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t __wrap_time(time_t *time) {
  if (shared() == nullptr)
    return __real_time(time);
  timespec now{};
  __wrap_clock_gettime(CLOCK_REALTIME, &now);
  if (time != nullptr)
    *time = now.tv_sec;
  return now.tv_sec;
}

int __wrap_select(int count, fd_set *read, fd_set *write, fd_set *error, timeval *timeout) {
  if (shared() == nullptr || timeout == nullptr || (timeout->tv_sec == 0 && timeout->tv_usec == 0))
    return __real_select(count, read, write, error, timeout);
  const uint64_t until_ns = shared()->now_ns + static_cast<uint64_t>(timeout->tv_sec) * SECOND_NS +
                            static_cast<uint64_t>(timeout->tv_usec) * 1000;
  fd_set wanted[3] = {};
  fd_set *const given[3] = {read, write, error};
  for (int i = 0; i < 3; i++) {
    if (given[i] != nullptr)
      wanted[i] = *given[i];
  }
  int ready = 0;
  while (true) {
    for (int i = 0; i < 3; i++) {
      if (given[i] != nullptr)
        *given[i] = wanted[i];
    }
    timeval at_once{0, 0};
    ready = __real_select(count, read, write, error, &at_once);
    if (ready != 0 || shared()->now_ns >= until_ns)
      break;
    asleep_until() = until_ns;
    usleep(20);
  }
  asleep_until() = 0;
  return ready;
}

int __wrap_nanosleep(const timespec *time, timespec *left) {
  if (shared() == nullptr)
    return __real_nanosleep(time, left);
  timeval timeout{time->tv_sec, time->tv_nsec / 1000};
  __wrap_select(0, nullptr, nullptr, nullptr, &timeout);
  return 0;
}

int __wrap_fsync(int file) {
  static const long DELAY_MS = card_delay_ms();
  if (DELAY_MS > 0) {
    const timespec delay{DELAY_MS / 1000, DELAY_MS % 1000 * 1000000};
    nanosleep(&delay, nullptr);
  }
  return __real_fsync(file);
}
}

#endif  // USE_HOST
