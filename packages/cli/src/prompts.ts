/** Questions on the terminal. A bundle of its own, loaded when there is something to ask. */
export { confirm, isCancel } from "@clack/prompts";
