import { defineConfig } from "vite";

export default defineConfig({
  // Loopback alone, as the development server of Anteroom.
  server: { host: "127.0.0.1" },
  build: { target: "es2022" },
});
