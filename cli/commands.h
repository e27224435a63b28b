// The subcommands of `imago`. Each adds its flags to a CLI11 app and returns what is to be done once they are read; the
// exit code comes back from that.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace imago::cli {

using Command = std::function<int()>;

Command add_train(CLI::App& app);
Command add_sample(CLI::App& app);
Command add_info(CLI::App& app);
Command add_convert(CLI::App& app);
Command add_doctor(CLI::App& app);

}  // namespace imago::cli
