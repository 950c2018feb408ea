// The process that runs launches of kernels on the host. scripts/build-host-kernels compiles it together with one kernel file: it defines
//   T_HOST_KERNELS(PLAIN, FIBERS)   as a list such as PLAIN(price) FIBERS(total),
// and includes this file behind the kernels.
//
// The process reads what to do from its standard input, one thing a line:
//   threads N                        threads of the host, over which blocks are spread; default: one
//   zero LEN                         a buffer of zeros, fresh for each unit; buffers are numbered from 0
//   input PATH                       a buffer with the bytes of a file, which kernels only read
//   copy PATH                        a buffer with the bytes of a file, fresh for each unit
//   launch KERNEL GX GY GZ BX BY BZ SHARED ARGUMENT...
//                                    an argument: @BUFFER+OFFSET, unit32, unit64, or the bytes in hexadecimal
//   times N                          the launches since the last `times` (or from the first) run N times in all
//   units FIRST END                  run them, for each unit
//   output BUFFER PATH               which buffer to append to a file after each unit; stands before `units`
// It prints the seconds that the launches of all units took, without reading, preparing and writing.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>

namespace tessera_host {

using Bytes = std::vector<unsigned char>;

[[noreturn]] static inline void refuse(const std::string &what) { fail(what.c_str()); }

// Threads that stay, so that their fibers do.
class Pool {
  public:
    explicit Pool(unsigned count) {
        for (unsigned i = 1; i < count; i++) pool.emplace_back([this] { work(); });
    }
    ~Pool() {
        {
            std::lock_guard<std::mutex> guard(lock);
            stop = true;
        }
        wake.notify_all();
        for (std::thread &thread : pool) thread.join();
    }
    // Calls `part` once on each thread and waits for all.
    template <class F> void run(F &part) {
        {
            std::lock_guard<std::mutex> guard(lock);
            call = [](void *with) { (*(F *)with)(); };
            argument = &part;
            round++;
            busy = (unsigned)pool.size();
        }
        wake.notify_all();
        part();
        std::unique_lock<std::mutex> guard(lock);
        done.wait(guard, [this] { return busy == 0; });
    }

  private:
    void work() {
        for (unsigned long long seen = 0;;) {
            void (*what)(void *);
            void *with;
            {
                std::unique_lock<std::mutex> guard(lock);
                wake.wait(guard, [&] { return stop || round != seen; });
                if (stop) return;
                seen = round;
                what = call;
                with = argument;
            }
            what(with);
            std::lock_guard<std::mutex> guard(lock);
            if (--busy == 0) done.notify_one();
        }
    }
    std::vector<std::thread> pool;
    std::mutex lock;
    std::condition_variable wake, done;
    void (*call)(void *) = nullptr;
    void *argument = nullptr;
    unsigned long long round = 0;
    unsigned busy = 0;
    bool stop = false;
};

struct Shape {
    Place grid, block;
};

// Runs a kernel whose arguments are bound in `body`, blocks in parallel.
template <bool FIBERS, class F> static void run_blocks(Pool &pool, const Shape &shape, F body) {
    unsigned long long count = (unsigned long long)shape.grid.x * shape.grid.y * shape.grid.z;
    std::atomic<unsigned long long> next{0};
    auto part = [&] {
        static thread_local Fibers fibers;
        threads = shape.block;
        blocks = shape.grid;
        F own = body;
        for (unsigned long long i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
            block.x = (unsigned)(i % shape.grid.x);
            block.y = (unsigned)(i / shape.grid.x % shape.grid.y);
            block.z = (unsigned)(i / shape.grid.x / shape.grid.y);
            if (FIBERS) {
                fibers.run([](void *with) { (*(F *)with)(); }, &own);
            } else {
                Place &at = thread;
                for (at.z = 0; at.z < shape.block.z; at.z++)
                    for (at.y = 0; at.y < shape.block.y; at.y++)
                        for (at.x = 0; at.x < shape.block.x; at.x++) own();
            }
        }
    };
    pool.run(part);
}

template <class T> static T argument(const char *kernel, const std::vector<Bytes> &values, std::size_t index) {
    if (values[index].size() != sizeof(T))
        refuse(std::string(kernel) + ": argument " + std::to_string(index) + " has " + std::to_string(values[index].size()) +
               " bytes, the kernel takes " + std::to_string(sizeof(T)));
    T value;
    std::memcpy(&value, values[index].data(), sizeof(T));
    return value;
}

// Calls KERNEL with arguments given as bytes. The kernel is a template argument, so that its threads become one loop.
template <auto KERNEL, bool FIBERS> struct Call;
template <class... A, void (*KERNEL)(A...), bool FIBERS> struct Call<KERNEL, FIBERS> {
    static void run(Pool &pool, const Shape &shape, const char *name, const std::vector<Bytes> &values) {
        if (values.size() != sizeof...(A))
            refuse(std::string(name) + " takes " + std::to_string(sizeof...(A)) + " arguments, not " + std::to_string(values.size()));
        with(pool, shape, name, values, std::index_sequence_for<A...>());
    }
    template <std::size_t... I>
    static void with(Pool &pool, const Shape &shape, const char *name, const std::vector<Bytes> &values, std::index_sequence<I...>) {
        std::tuple<A...> bound(argument<std::remove_const_t<A>>(name, values, I)...);
        run_blocks<FIBERS>(pool, shape, [bound] { KERNEL(std::get<I>(bound)...); });
        (void)name;
        (void)values;
    }
};

static inline void launch(Pool &pool, const Shape &shape, const std::string &kernel, const std::vector<Bytes> &values) {
#define T_HOST_CALL_PLAIN(name) \
    if (kernel == #name) return Call<name, false>::run(pool, shape, #name, values);
#define T_HOST_CALL_FIBERS(name) \
    if (kernel == #name) return Call<name, true>::run(pool, shape, #name, values);
    T_HOST_KERNELS(T_HOST_CALL_PLAIN, T_HOST_CALL_FIBERS)
    refuse("no kernel " + kernel + " in this program");
}

struct Buffer {
    bool fresh;
    Bytes start, now;
};

struct Launch {
    std::string kernel;
    Shape shape;
    std::vector<std::string> arguments;
};

static inline Bytes read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) refuse("cannot read " + path);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

// The bytes of an argument for a unit.
static inline Bytes bind(const std::string &text, std::vector<Buffer> &buffers, unsigned long long unit) {
    auto bytes = [](const auto &value) {
        Bytes out(sizeof value);
        std::memcpy(out.data(), &value, sizeof value);
        return out;
    };
    if (text == "unit32") return bytes((unsigned)unit);
    if (text == "unit64") return bytes(unit);
    if (text[0] == '@') {
        std::size_t plus = text.find('+'), index = std::stoul(text.substr(1, plus - 1));
        if (plus == std::string::npos || index >= buffers.size()) refuse("no buffer " + text);
        return bytes(buffers[index].now.data() + std::stoull(text.substr(plus + 1)));
    }
    Bytes out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) out.push_back((unsigned char)std::stoul(text.substr(i, 2), nullptr, 16));
    return out;
}

struct Job {
    unsigned threads = 1;
    std::vector<Buffer> buffers;
    // Groups of launches with how often each runs.
    std::vector<std::pair<unsigned, std::vector<Launch>>> steps{{1, {}}};
    std::size_t output = 0;
    std::string output_path;
    double seconds = 0;

    void line(std::istringstream &in, const std::string &word) {
        std::string path;
        if (word == "threads") {
            in >> threads;
        } else if (word == "zero") {
            std::size_t len;
            in >> len;
            buffers.push_back({true, Bytes(len), Bytes(len)});
        } else if (word == "input" || word == "copy") {
            in >> std::ws;
            std::getline(in, path);
            Bytes bytes = read_file(path);
            buffers.push_back({word == "copy", bytes, bytes});
        } else if (word == "launch") {
            Launch launch;
            Place &grid = launch.shape.grid, &block = launch.shape.block;
            std::size_t shared;
            in >> launch.kernel >> grid.x >> grid.y >> grid.z >> block.x >> block.y >> block.z >> shared;
            if (!in || shared > sizeof dynamic_shared) refuse("a launch has a kernel, six numbers and at most 48 KiB of shared memory");
            for (std::string argument; in >> argument;) launch.arguments.push_back(argument);
            steps.back().second.push_back(launch);
            in.clear();
        } else if (word == "times") {
            in >> steps.back().first;
            steps.push_back({1, {}});
        } else if (word == "output") {
            in >> output >> std::ws;
            std::getline(in, output_path);
        } else if (word == "units") {
            unsigned long long first, end;
            in >> first >> end;
            if (in) run(first, end);
        } else {
            refuse("unknown word " + word);
        }
        if (in.fail()) refuse("a line starting with " + word + " is not complete");
    }

    void run(unsigned long long first, unsigned long long end) {
        if (output >= buffers.size()) refuse("the output is not one of the buffers");
        Pool pool(threads);
        std::ofstream file(output_path, std::ios::binary);
        for (unsigned long long unit = first; unit < end; unit++) {
            for (Buffer &buffer : buffers)
                if (buffer.fresh) buffer.now = buffer.start;
            auto before = std::chrono::steady_clock::now();
            for (auto &[times, launches] : steps)
                for (unsigned i = 0; i < times; i++)
                    for (const Launch &launch : launches) {
                        std::vector<Bytes> values;
                        for (const std::string &argument : launch.arguments) values.push_back(bind(argument, buffers, unit));
                        tessera_host::launch(pool, launch.shape, launch.kernel, values);
                    }
            seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
            const Bytes &bytes = buffers[output].now;
            file.write((const char *)bytes.data(), (std::streamsize)bytes.size());
        }
        if (!file.flush()) refuse("cannot write " + output_path);
    }
};

} // namespace tessera_host

int main() {
    tessera_host::Job job;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream in(line);
        std::string word;
        if (in >> word) job.line(in, word);
    }
    std::printf("%.6f\n", job.seconds);
}
