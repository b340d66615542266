/** HTTP methods that operations of the API have. */
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
