package main

import "settlement/shared/config"

// loadConfig reads the environment; shared/config lists the variables.
func loadConfig() (config.Config, error) {
	return config.Load(config.Config{HTTPAddr: "127.0.0.1:8082", DBName: "payments", DBUser: "payments"})
}
